#pragma once
/* The beginnings of responses: of what the service sends from its first byte after it has read bytes of requests, as many bytes
 * as the slot asks for go to the ring. Of what lies beyond only the sequence numbers tell. */
#include "lib/record.bpf.h"
#include "abi/response.h"

/* How many bytes of each response are copied; 0: none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} response_bound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct response_counters);
} responded SEC(".maps");

/* Of a sampled connection, from its first send on. */
struct response_stream {
	__u32 from;  /* number of the first byte sent since bytes were read */
	__u32 next;  /* behind the last byte that a record, or a loss, is of */
	__u32 taken; /* of the service's place in the requests when it sent `from` */
	__u16 begun;
	__u16 lost;  /* bytes within the bound, since the last record */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct response_stream);
} responses SEC(".maps");

enum {
	RESPONSE_SEGMENTS = 1024, /* UIO_MAXIOV */
};

/* Bytes of a send, as they are cut into records. */
struct response_cut {
	const struct probe_socket *mark;
	struct response_stream *stream;
	const struct iovec *segment; /* the one that follows */
	__u64 from;                  /* address of the next byte */
	__u64 ts_ns;
	struct unfollowed in_segment; /* bytes from there on that are in one piece */
	struct unfollowed skip;       /* bytes to pass over before the first */
	struct unfollowed left;
};

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
static __always_inline void emit_response(struct response_cut *cut, __u64 n, const __u32 capacity)
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
	if (bpf_probe_read_user(record + 1, n, (const void *)cut->from)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		lose_response(cut, RESPONSE_UNREADABLE);
		return;
	}
	fill_response(record, cut->mark, stream, TAP_RESPONSE, stream->next, cut->ts_ns);
	record->len = n;
	submit(&to);
	count_response(cut->mark, RESPONSE_BYTES, n);
	stream->next += n;
	cut->from += n;
	cut->left.value -= n;
}

static long next_response_chunk(__u64 index, struct response_cut *cut)
{
	__u32 left = cut->left.value;
	__u64 n;

	if (!cut->in_segment.value) {
		struct iovec segment;
		__u32 skip = cut->skip.value;

		if (!cut->segment || bpf_probe_read_kernel(&segment, sizeof(segment), cut->segment))
			return 1;
		cut->segment++;
		if (segment.iov_len <= skip) {
			cut->skip.value = skip - segment.iov_len;
			return 0;
		}
		cut->skip.value = 0;
		cut->from = (__u64)segment.iov_base + skip;
		cut->in_segment.value = segment.iov_len - skip < left ? segment.iov_len - skip : left;
	}
	n = cut->in_segment.value < left ? cut->in_segment.value : left;
	if (n <= PROBE_SMALL_CHUNK)
		emit_response(cut, n, PROBE_SMALL_CHUNK);
	else if (n <= PROBE_MEDIUM_CHUNK)
		emit_response(cut, n, PROBE_MEDIUM_CHUNK);
	else
		emit_response(cut, n <= PROBE_LARGE_CHUNK ? n : PROBE_LARGE_CHUNK, PROBE_LARGE_CHUNK);
	cut->in_segment.value -= left - cut->left.value < cut->in_segment.value ? left - cut->left.value :
										  cut->in_segment.value;
	return cut->left.value == 0;
}

/* The mark of a sampled connection whose stream is under way, of a slot that asks for responses; null for any other. */
static __always_inline struct probe_socket *responding(struct sock *sk, __u32 *bound)
{
	struct probe_socket *mark;
	__u32 slot, *bytes;

	if (!may_be_sampled(sk))
		return NULL;
	mark = watched(sk);
	if (!mark || (mark->flags & (SOCKET_SAMPLED | SOCKET_OPENED)) != (SOCKET_SAMPLED | SOCKET_OPENED) ||
	    mark->flags & (SOCKET_TLS | SOCKET_PAUSED) || !live_control(mark))
		return NULL;
	slot = mark->slot;
	bytes = bpf_map_lookup_elem(&response_bound, &slot);
	if (!bytes || !*bytes)
		return NULL;
	*bound = *bytes;
	return mark;
}

/* The socket is about to send what is left of `msg`, or to try to: what it could not take comes again, by the same numbers, and
 * is passed over then. */
static __always_inline void tap_response(struct sock *sk, struct msghdr *msg)
{
	struct response_cut cut = {};
	struct response_stream *stream;
	struct probe_socket *mark;
	struct tcp_sock *tcp;
	__u32 bound = 0, at, taken;
	__u64 size, offset;
	__s32 n, past;
	__u8 type;

	mark = responding(sk, &bound);
	if (!mark)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	stream = bpf_sk_storage_get(&responses, sk, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!stream)
		return;
	at = tcp->write_seq;
	taken = tcp->copied_seq;
	if (!stream->begun || stream->taken != taken) {
		stream->from = at;
		stream->taken = taken;
		if (!stream->begun)
			stream->next = at;
		stream->begun = 1;
	}
	past = stream->next - at; /* > 0: seen already; < 0: sent beyond the bound */
	if (past < 0) {
		past = 0;
		stream->next = at;
	}
	size = msg->msg_iter.count;
	if (size > bound)
		size = bound;
	n = at + (__u32)size - stream->next;
	if ((__s32)(stream->from + bound - stream->next) < n)
		n = stream->from + bound - stream->next;
	if (n <= 0)
		return;
	cut.mark = mark;
	cut.stream = stream;
	cut.left.value = n;
	cut.ts_ns = tcp->tcp_clock_cache;
	type = msg->msg_iter.iter_type;
	offset = msg->msg_iter.iov_offset + past;
	if (type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		cut.from = buffer_at(&msg->msg_iter) + offset;
		cut.in_segment.value = n;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		cut.segment = segments_of(&msg->msg_iter);
		cut.skip.value = offset;
	} else {
		lose_response(&cut, RESPONSE_UNREADABLE);
		return;
	}
	if (!room_to_resume()) { /* requests come first */
		lose_response(&cut, RESPONSE_LOST);
		return;
	}
	bpf_loop((__u32)n / PROBE_LARGE_CHUNK + 2 + RESPONSE_SEGMENTS, next_response_chunk, &cut, 0);
	if (cut.left.value)
		lose_response(&cut, RESPONSE_UNREADABLE);
}

/* The service closes its side of a connection, of which no FIN was sent yet. */
static __always_inline void tap_response_end(struct sock *sk)
{
	struct response_stream *stream;
	struct probe_socket *mark;
	struct tap_record *record;
	struct tcp_sock *tcp;
	struct reserved to;
	__u32 bound = 0;

	mark = responding(sk, &bound);
	if (!mark)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	stream = bpf_sk_storage_get(&responses, sk, 0, 0);
	if (!tcp || !stream)
		return;
	if (!reserve(&to, sizeof(*record), false)) {
		count_response(mark, RESPONSE_LOST, 1);
		return;
	}
	record = to.record;
	fill_response(record, mark, stream, TAP_RESPONSE_END, tcp->write_seq, tcp->tcp_clock_cache);
	submit(&to);
}
