#pragma once
/* The life of a sampled connection's stream: opened, bytes read, closed. */
#include "lib/latency.bpf.h"
#include "lib/record.bpf.h"
#include "lib/tls_match.bpf.h"

/* In tp_btf programs: there in Linux 6.12, not in 6.1. */
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym __weak;

/* Since Linux 6.2: reads fields through a pointer that the verifier knows as another type, at no cost. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;
#define CAST(type, object) ((type *)bpf_rdonly_cast(object, bpf_core_type_id_kernel(type)))

/* Announces the stream, which starts at next_seq. Returns false if there is no room; tap_resume() tries again. */
static __always_inline bool announce(struct probe_socket *mark)
{
	bool joined = mark->flags & SOCKET_JOINED || mark->stream & STREAM_UNTOLD;

	if (!emit_event(mark, TAP_OPEN, joined ? TAP_JOIN : 0)) {
		__sync_fetch_and_or(&mark->stream, STREAM_UNTOLD);
		return false;
	}
	__sync_fetch_and_and(&mark->stream, ~(STREAM_UNTOLD | STREAM_BROKEN));
	return true;
}

/* Whether bytes from next_seq on can be copied again after a loss. */
static __always_inline bool tap_resume(struct probe_socket *mark)
{
	if (!room_to_resume())
		return false;
	return !(mark->stream & STREAM_UNTOLD) || announce(mark);
}

/* The service has read the `len` bytes from next_seq on, each for the first time. Returns false, having counted them, if they
 * are to be skipped. */
static __always_inline bool tap_may_copy(struct probe_socket *mark, const struct probe_control *control, bool after_send,
					 __u32 len)
{
	if (passes_over(mark, control, after_send, len))
		return false;
	count(mark, PROBE_BYTES, len);
	if (!(mark->stream & (STREAM_BROKEN | STREAM_UNTOLD)) || tap_resume(mark))
		return true;
	lose(mark, PROBE_SKIPPED_BYTES, len);
	return false;
}

/* Begins the stream of a sampled connection, whose conn_id is set, with `position`: its first byte not yet taken. */
static __always_inline void tap_open(struct probe_socket *mark, const struct tcp_sock *tcp,
				     const struct probe_control *control, __u32 position)
{
	mark->flags |= SOCKET_OPENED;
	mark->write_seq = tcp->write_seq;
	if (control->flags & CONTROL_TLS)
		mark->flags |= SOCKET_TLS;
	else if (control->flags & CONTROL_PACKETS && !(mark->flags & SOCKET_JOINED))
		mark->flags |= SOCKET_PACKETS;
	mark->next_seq = mark->flags & SOCKET_TLS ? 0 : position; /* a stream of plaintext starts at 0 */
	count(mark, PROBE_SAMPLED, 1);
	announce(mark);
	mark->next_seq = position;
}

static long next_packet_chunk(__u64 index, struct tap_cut *cut)
{
	emit_chunk(cut, cut->left.value, FROM_PACKET);
	return cut->left.value == 0;
}

/* Copies what is new in a read of `len` bytes from the socket's position on, which lie at `offset` in the packet. */
static __always_inline void tap_bytes(struct probe_socket *mark, const struct probe_control *control,
				      const struct tcp_sock *tcp, struct sk_buff *packet,
				      __u32 offset, __u32 len)
{
	__u32 seq = tcp->copied_seq;
	struct tap_cut cut;
	__s32 ahead = seq - mark->next_seq; /* > 0: bytes went past the tap; < 0: seen already, by a peek */

	if (ahead < 0) {
		__u32 seen = -ahead;

		if (seen >= len) {
			count(mark, PROBE_PEEKED, 1);
			return;
		}
		offset += seen;
		len -= seen;
		seq += seen;
	}
	if (ahead > 0)
		lose_past_tap(mark, ahead);
	cut.after_send = sent_before(mark, tcp, seq, ahead > 0);
	if (!tap_may_copy(mark, control, cut.after_send, len))
		return;
	if (bpf_dynptr_from_skb((struct __sk_buff *)packet, 0, &cut.packet)) {
		lose(mark, PROBE_UNREADABLE, len);
		return;
	}
	cut.mark = mark;
	cut.ts_ns = arrived_at(mark, tcp);
	cut.from = offset;
	cut.left.value = len;
	if (len <= PROBE_LARGE_CHUNK)
		emit_chunk(&cut, len, FROM_PACKET);
	else
		bpf_loop(len / PROBE_LARGE_CHUNK + 1, next_packet_chunk, &cut, 0);
}

/* Once for each accepted connection. */
static __always_inline void tap_established(struct sock *sk, struct tcp_sock *tcp, struct probe_socket *mark,
					    const struct probe_control *control)
{
	begin_connection(sk, mark, control);
	if (mark->flags & SOCKET_SAMPLED)
		tap_open(mark, tcp, control, tcp->copied_seq);
	arrival(sk, tcp); /* TCP Fast Open: the request came with the SYN */
}

static __always_inline void tap_closed(struct sock *sk, struct tcp_sock *tcp, struct probe_socket *mark)
{
	__u32 taken = taken_to(sk, tcp);

	if (mark->flags & SOCKET_TLS) {
		tls_closed(mark, taken);
		taken = mark->next_seq;
	} else if ((__s32)(taken - mark->next_seq) > 0) {
		lose_past_tap(mark, taken - mark->next_seq);
	}
	mark->next_seq = taken;
	emit_event(mark, TAP_CLOSE, (mark->stream & (STREAM_BROKEN | STREAM_UNTOLD) ? TAP_BROKEN : 0) |
					    (mark->stream & STREAM_PAUSED ? TAP_PAUSED : 0));
	mark->flags &= ~SOCKET_SAMPLED; /* what is still read after a reset is not captured: the stream's end was told */
}
