#pragma once
/* The beginnings of responses: of what the service sends from its first byte after it has read bytes of requests, as many bytes
 * as the slot asks for go to the ring. Of what lies beyond only the sequence numbers tell. */
#include "lib/payload.bpf.h"
#include "lib/response_record.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct response_stream);
} responses SEC(".maps");

enum {
	RESPONSE_SEGMENTS = 1024, /* UIO_MAXIOV */
};

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
	emit_response_chunk(cut, n, false);
	cut->in_segment.value -= left - cut->left.value < cut->in_segment.value ? left - cut->left.value :
										  cut->in_segment.value;
	return cut->left.value == 0;
}

static long next_leaving_chunk(__u64 index, struct response_cut *cut)
{
	emit_response_chunk(cut, cut->left.value, true);
	return cut->left.value == 0;
}

/* Whether a layer lies between the service and TCP that sends what it makes of the service's bytes: kTLS. */
static __always_inline bool is_layered(const struct tcp_sock *tcp)
{
	const struct tcp_ulp_ops *layer = NULL;

	bpf_core_read(&layer, sizeof(layer), &((const struct inet_connection_sock *)tcp)->icsk_ulp_ops);
	return layer;
}

static __always_inline void tell_past_send(const struct probe_socket *mark)
{
	struct probe_shared *page = shared_page();

	if (page && mark->slot < PROBE_SLOTS)
		page->past_send[mark->slot] = 1;
}

/* The service has sent up to `at`. What the hook of sends was not told of (before Linux 6.5: what came from a file) is lost,
 * unless it is copied as it leaves. */
static __always_inline void find_unseen(const struct probe_socket *mark, struct response_stream *stream, __u32 bound, __u32 at)
{
	__s32 n = wanted_to(stream, bound, at);

	if ((__s32)(at - stream->sent) <= 0)
		return;
	stream->sent = at;
	tell_past_send(mark);
	if (n <= 0 || stream->packets)
		return;
	count_response(mark, RESPONSE_UNREADABLE, n);
	stream->next += n;
	stream->lost = 1;
}

/* Takes note that the service is about to send `size` bytes from `at` on, having read up to `taken`. */
static __always_inline void follow_send(const struct probe_socket *mark, struct response_stream *stream,
					const struct response_wish *wish, const struct tcp_sock *tcp, __u32 size)
{
	__u32 at = tcp->write_seq, taken = tcp->copied_seq;

	if (stream->begun)
		find_unseen(mark, stream, wish->bytes, at);
	if (!stream->begun || stream->taken != taken) {
		__s32 left = stream->begun && stream->packets ? wanted_to(stream, wish->bytes, at) : 0;

		if (left > 0) { /* the former response has not left yet: it was not waited for */
			count_response(mark, RESPONSE_LOST, left);
			stream->lost = 1;
		}
		stream->from = at;
		stream->taken = taken;
		stream->packets = wish->from_packets && !is_layered(tcp);
		if (!stream->begun || stream->packets)
			stream->next = at;
		if (!stream->begun)
			stream->sent = at;
		stream->begun = 1;
	}
	if ((__s32)(at + size - stream->sent) > 0)
		stream->sent = at + size;
}

/* The stream of a sampled connection whose slot asks for responses, or null. In a pause a connection's responses are passed over
 * as its requests are; what was still to leave of the one before is lost. Where requests are captured from packets, no response
 * can be told to be that of one. */
static __always_inline struct response_stream *responding(struct sock *sk, struct probe_socket **mark,
							  struct response_wish **wish, __u64 create)
{
	struct response_stream *stream;

	if (!may_be_sampled(sk))
		return NULL;
	*mark = watched(sk);
	if (!*mark || (*mark)->flags & (SOCKET_TLS | SOCKET_PACKETS))
		return NULL;
	*wish = wish_for(*mark);
	if (!*wish)
		return NULL;
	stream = bpf_sk_storage_get(&responses, sk, 0, create);
	if (!stream || !((*mark)->stream & STREAM_PAUSED))
		return stream;
	if (stream->begun) {
		__s32 left = wanted_to(stream, (*wish)->bytes, stream->sent);

		if (left > 0)
			count_response(*mark, RESPONSE_LOST, left);
	}
	stream->begun = 0;
	return NULL;
}

/* The socket is about to send what is left of `msg`, or to try to: what it could not take comes again, by the same numbers, and
 * is passed over then. */
static __always_inline void tap_response(struct sock *sk, struct msghdr *msg)
{
	struct response_cut cut = {};
	struct response_stream *stream;
	struct response_wish *wish;
	struct probe_socket *mark;
	struct tcp_sock *tcp;
	__u64 size, offset;
	__s32 n, past;
	__u8 type;

	stream = responding(sk, &mark, &wish, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!stream)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	size = msg->msg_iter.count;
	follow_send(mark, stream, wish, tcp, size);
	if (stream->packets)
		return;
	past = stream->next - tcp->write_seq; /* > 0: seen already; < 0: sent beyond the bound */
	if (past < 0) {
		past = 0;
		stream->next = tcp->write_seq;
	}
	n = wanted_to(stream, wish->bytes, tcp->write_seq + (__u32)size);
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
		if (!is_layered(tcp))
			tell_past_send(mark);
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
	struct response_wish *wish;
	struct probe_socket *mark;
	struct tcp_sock *tcp;

	stream = responding(sk, &mark, &wish, 0);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!stream || !stream->begun || !tcp)
		return;
	find_unseen(mark, stream, wish->bytes, tcp->write_seq);
	if (stream->packets && wanted_to(stream, wish->bytes, tcp->write_seq) > 0) {
		stream->end = tcp->write_seq;
		stream->ending = 1;
		return;
	}
	emit_response_end(mark, stream, tcp->write_seq, tcp->tcp_clock_cache);
}

/* What is wanted of a packet's payload, from the stream's `next` on. Returns false if nothing is: it was sent before, or lies
 * beyond the bound. New bytes leave in their order. */
static __always_inline bool cut_packet(struct response_cut *cut, __u32 bound, struct packet_payload payload)
{
	struct response_stream *stream = cut->stream;
	__s32 past = stream->next - payload.seq, n;

	if (past < 0) {
		n = wanted_to(stream, bound, payload.seq);
		if (n > 0) {
			cut->left.value = n;
			lose_response(cut, RESPONSE_LOST);
		}
		stream->next = payload.seq;
		past = 0;
	}
	n = wanted_to(stream, bound, payload.seq + payload.len);
	if (n <= 0)
		return false;
	cut->from = payload.offset + past;
	cut->left.value = n;
	return true;
}

/* A packet leaves a socket that is locked. */
static __always_inline void tap_leaving(struct __sk_buff *packet, const struct probe_socket *mark,
					struct response_stream *stream, __u32 bound)
{
	struct response_cut cut = {.mark = mark, .stream = stream, .packet = packet};
	struct packet_payload payload;

	if (!find_payload(packet, &payload))
		return;
	cut.ts_ns = bpf_ktime_get_ns();
	if (!cut_packet(&cut, bound, payload))
		return;
	if (room_to_resume())
		bpf_loop(PACKET_MOST / PROBE_LARGE_CHUNK + 1, next_leaving_chunk, &cut, 0);
	if (cut.left.value)
		lose_response(&cut, RESPONSE_LOST);
	if (!stream->ending || wanted_to(stream, bound, stream->end) > 0)
		return;
	stream->ending = 0;
	emit_response_end(mark, stream, stream->end, cut.ts_ns);
}
