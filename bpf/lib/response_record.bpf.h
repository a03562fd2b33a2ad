#pragma once
/* Records of responses, from wherever their bytes are. */
#include "lib/record.bpf.h"
#include "abi/response.h"

/* Of a sampled connection, from its first send on. */
struct response_stream {
	__u32 from;  /* number of the first byte sent since bytes were read */
	__u32 next;  /* behind the last byte that a record, or a loss, is of */
	__u32 taken; /* of the service's place in the requests when it sent `from` */
	__u32 sent;  /* behind the last byte that the hook of sends was told of */
	__u32 end;   /* if it is `ending`: behind the last byte of all */
	__u8 begun;
	__u8 lost;    /* bytes within the bound, since the last record */
	__u8 packets; /* the bytes from `from` on are copied as their packets leave, not as they are sent */
	__u8 ending;  /* the service has closed: its TAP_RESPONSE_END follows the packets that are still to leave */
};

/* Bytes of a send, or of a packet, as they are cut into records. */
struct response_cut {
	const struct probe_socket *mark;
	struct response_stream *stream;
	struct __sk_buff *packet;
	const struct iovec *segment; /* the one that follows */
	__u64 from;                  /* address of the next byte, or its offset in the packet */
	__u64 ts_ns;
	struct unfollowed in_segment; /* bytes from there on that are in one piece */
	struct unfollowed skip;       /* bytes to pass over before the first */
	struct unfollowed left;
};

/* The next of the service's bytes from `next` on that are wanted, at most up to `end`; negative if none are. */
static __always_inline __s32 wanted_to(const struct response_stream *stream, __u32 bound, __u32 end)
{
	__s32 to_end = end - stream->next, to_bound = stream->from + bound - stream->next;

	return to_bound < to_end ? to_bound : to_end;
}

static __always_inline void count_response(const struct probe_socket *mark, enum response_counter counter, __u64 n)
{
	__u32 slot = mark->slot;
	struct response_counters *cpu = bpf_map_lookup_elem(&responded, &slot);

	if (cpu)
		cpu->value[counter] += n;
}

static __always_inline void lose_response(struct response_cut *cut, enum response_counter cause)
{
	count_response(cut->mark, cause, cut->left.value);
	cut->stream->next += cut->left.value;
	cut->stream->lost = 1;
	cut->left.value = 0;
}

static __always_inline void fill_response(struct tap_record *record, const struct probe_socket *mark,
					  struct response_stream *stream, __u32 type, __u32 seq, __u64 ts_ns)
{
	fill_header(record, mark, type, ts_ns);
	record->seq = seq;
	if (seq == stream->from)
		record->flags |= TAP_RESPONSE_BEGIN;
	if (stream->lost)
		record->flags |= TAP_LOST_BEFORE;
	stream->lost = 0;
}

/* As emit_data() of the tap. */
static __always_inline void emit_response(struct response_cut *cut, __u64 n, const __u32 capacity, const bool of_packet)
{
	struct response_stream *stream = cut->stream;
	struct tap_record *record;
	struct reserved to;

	if (!reserve(&to, sizeof(*record) + capacity, true)) {
		lose_response(cut, RESPONSE_LOST);
		return;
	}
	record = to.record;
	n = size_within(n, capacity);
	if (of_packet ? bpf_skb_load_bytes(cut->packet, cut->from, record + 1, n) :
			bpf_probe_read_user(record + 1, n, (const void *)cut->from)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		lose_response(cut, RESPONSE_UNREADABLE);
		return;
	}
	fill_response(record, cut->mark, stream, TAP_RESPONSE, stream->next, cut->ts_ns);
	record->len = n;
	bpf_ringbuf_submit(to.record, to.wake);
	count_response(cut->mark, RESPONSE_BYTES, n);
	stream->next += n;
	cut->from += n;
	cut->left.value -= n;
}

static __always_inline void emit_response_chunk(struct response_cut *cut, __u64 n, const bool of_packet)
{
	EMIT_CHUNK(emit_response, cut, n, of_packet);
}

/* What a watched connection's slot asks for; null if nothing, or its stream is not under way. */
static __always_inline struct response_wish *wish_for(const struct probe_socket *mark)
{
	struct response_wish *wish;
	__u32 slot;

	if ((mark->flags & (SOCKET_SAMPLED | SOCKET_OPENED)) != (SOCKET_SAMPLED | SOCKET_OPENED) || !live_control(mark))
		return NULL;
	slot = mark->slot;
	wish = bpf_map_lookup_elem(&response_wishes, &slot);
	return wish && wish->bytes ? wish : NULL;
}

static __always_inline void emit_response_end(const struct probe_socket *mark, struct response_stream *stream, __u32 at,
					      __u64 ts_ns)
{
	struct tap_record *record;
	struct reserved to;

	if (!reserve(&to, sizeof(*record), false)) {
		count_response(mark, RESPONSE_LOST, 1);
		return;
	}
	record = to.record;
	fill_response(record, mark, stream, TAP_RESPONSE_END, at, ts_ns);
	bpf_ringbuf_submit(to.record, to.wake);
}
