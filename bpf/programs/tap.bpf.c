/* The tap: copies what a service reads on sampled connections to the ring, and nothing on any other. It only observes.
 * Of tap_copy, tap_return and tap_call one is attached: docs/kernel-support.md. */
#define PROBE_MAPS_HERE
#include "lib/cause.bpf.h"
#include "lib/glance.bpf.h"
#include "lib/packets.bpf.h"
#include "lib/receive.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tap_state, struct sock *sk, int old_state, int new_state)
{
	struct probe_socket *mark;
	struct probe_control *control;
	struct tcp_sock *tcp;

	if (new_state != BPF_TCP_ESTABLISHED && new_state != BPF_TCP_CLOSE)
		return 0;
	mark = watched(sk);
	if (!mark)
		return 0;
	control = live_control(mark);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!control || !tcp)
		return 0;
	if (new_state == BPF_TCP_ESTABLISHED) {
		if (mark->flags & SOCKET_LISTENER)
			tap_established(sk, tcp, mark, control);
	} else if (mark->flags & SOCKET_SAMPLED && mark->flags & SOCKET_OPENED) {
		tap_closed(sk, tcp, mark);
	} else if (mark->flags & SOCKET_LISTENER && old_state != BPF_TCP_LISTEN && old_state != BPF_TCP_SYN_RECV) {
		begin_late(sk, tcp, mark); /* its begin was missed, and no exchange on it was measured */
	}
	return 0;
}

/* The socket's end, after that of its connection: tells what nobody was told, see begin_late(). */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tap_destroy, struct sock *sk)
{
	struct probe_socket *mark;
	struct tcp_sock *tcp;

	if (!may_be_sampled(sk))
		return 0;
	mark = watched(sk);
	if (!mark || (mark->flags & (SOCKET_SAMPLED | SOCKET_OPENED)) != (SOCKET_SAMPLED | SOCKET_OPENED))
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp && live_control(mark))
		tap_closed(sk, tcp, mark);
	return 0;
}

/* The `len` bytes at `offset` of the packet are read. */
static __always_inline void glance_at_packet(struct sock *sk, const struct tcp_sock *tcp, struct sk_buff *packet, __s32 offset,
					     __u64 len)
{
	struct probe_socket *mark = offset < 0 ? NULL : glance_begins(sk, tcp);
	unsigned char begin[MIX_BEGINNING] = {};
	struct bpf_dynptr bytes;

	if (!mark || bpf_dynptr_from_skb((struct __sk_buff *)packet, 0, &bytes))
		return;
	len = size_within(len, MIX_BEGINNING);
	if (!bpf_dynptr_read(begin, len, &bytes, offset, 0))
		glance(mark, tcp, begin, len, tcp->rcv_nxt - tcp->copied_seq);
}

/* Fires for every copy from a packet to user space, by whichever system call or io_uring, before the socket's position
 * moves. A peek reads ahead of that position: its packets after the first lie beyond it and are seen again when taken. */
SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(tap_copy, struct sk_buff *packet, int len)
{
	struct sock *sk = packet->sk;
	struct probe_control *control;
	struct probe_socket *mark;
	bool captured, glance;
	struct tcp_sock *tcp;
	__s32 offset;
	__u32 seq;

	if (!sk || len <= 0 || !sk->sk_bpf_storage)
		return 0;
	/* Not bpf_skc_to_tcp_sock(): it takes only trusted sockets, and what a packet points to is not one (6.18). */
	tcp = CAST(struct tcp_sock, sk);
	captured = may_be_sampled(sk) || sk->__sk_common.skc_state == BPF_TCP_SYN_RECV;
	glance = glance_due(sk, tcp);
	if (!captured && !glance)
		return 0;
	seq = tcp->copied_seq;
	offset = seq - CAST(struct tcp_skb_cb, &packet->cb[0])->seq;
	if (glance)
		glance_at_packet(sk, tcp, packet, offset, len);
	if (!captured)
		return 0;
	mark = watched(sk);
	if (!mark || !(mark->flags & (SOCKET_SAMPLED | SOCKET_LISTENER)) || mark->flags & SOCKET_PACKETS)
		return 0;
	control = live_control(mark);
	if (!control)
		return 0;
	if (mark->flags & SOCKET_LISTENER) { /* TCP Fast Open, read before the handshake was through: starts in the middle */
		mark->flags |= SOCKET_JOINED;
		return 0;
	}
	if (!(mark->flags & SOCKET_OPENED)) /* marked by the agent while it was open */
		tap_open(mark, tcp, control, seq);
	if (offset < 0) {
		count(mark, PROBE_PEEKED, 1);
		return 0;
	}
	if (mark->flags & SOCKET_TLS) {
		tls_taken(mark, tcp, seq, len);
		return 0;
	}
	tap_bytes(mark, control, tcp, packet, offset, len);
	return 0;
}

/* Where the former does not load (before Linux 6.12): from the buffer of the service, at the end of its read. Not for kernels
 * before 6.0, whose iterators are others. */
SEC("fexit/tcp_recvmsg")
int BPF_PROG(tap_return, struct sock *sk, struct msghdr *msg, __u64 len, int flags, int *address_len, int ret)
{
	struct probe_socket *mark = received_on(sk, ret, flags);
	bool glance = glance_after(sk, ret, flags);
	struct user_cut read = {};

	if (!mark && !glance)
		return 0;
	read.unknown = !buffer_of_iterator(&read, &msg->msg_iter, ret);
	if (glance)
		glance_at_read(sk, &read, ret);
	if (mark)
		tap_received(sk, mark, &read, ret, flags);
	return 0;
}

/* Where programs may not be attached to functions: as the former, but the buffer is found in the system call's arguments. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(tap_call, struct sock *sk, int ret, int flags)
{
	struct probe_socket *mark = received_on(sk, ret, flags);
	bool glance = glance_after(sk, ret, flags);
	struct user_cut read = {};

	if (!mark && !glance)
		return 0;
	read.unknown = !buffer_of_call(&read, sk, ret);
	if (glance)
		glance_at_read(sk, &read, ret);
	if (mark)
		tap_received(sk, mark, &read, ret, flags);
	return 0;
}

/* Attached only once bytes went past the tap: fires, under the socket's lock, for every way of taking bytes, after the
 * position has moved. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(tap_cause, struct sock *sk)
{
	struct probe_socket *mark;
	struct probe_control *control;
	struct tcp_sock *tcp;

	if (!may_be_sampled(sk))
		return 0;
	mark = watched(sk);
	if (!mark || (mark->flags & (SOCKET_SAMPLED | SOCKET_OPENED)) != (SOCKET_SAMPLED | SOCKET_OPENED) ||
	    mark->flags & (SOCKET_TLS | SOCKET_PACKETS))
		return 0;
	control = live_control(mark);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (control && tcp)
		tap_explain(sk, tcp, mark, control);
	return 0;
}

/* The tap of last resort: attached to the root of the cgroup v2 hierarchy once a watched service splices, when every packet
 * that the machine's sockets receive passes it. Always lets it through. */
SEC("cgroup_skb/ingress")
int tap_packet(struct __sk_buff *packet)
{
	struct bpf_sock *sk = packet->sk;
	struct probe_control *control;
	struct probe_socket *mark;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	mark = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!mark || (mark->flags & (SOCKET_PACKETS | SOCKET_SAMPLED)) != (SOCKET_PACKETS | SOCKET_SAMPLED))
		return 1;
	control = live_control(mark);
	if (control)
		tap_arrived(packet, mark, control);
	return 1;
}
