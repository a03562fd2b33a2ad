/* Service time of watched sockets: from the kernel having queued a request's first byte to the first byte of its response
 * being sent. A request that arrives before the response to the one before has begun is not told apart from it. */
#include "lib/latency.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sk_data_ready")
int BPF_PROG(lat_ready, struct sock *sk)
{
	if (sk->sk_bpf_storage)
		arrival(sk, bpf_skc_to_tcp_sock(sk));
	return 0;
}

/* Where the former does not exist (before Linux 6.12). */
SEC("fentry/sock_def_readable")
int BPF_PROG(lat_readable, struct sock *sk)
{
	if (sk->sk_bpf_storage)
		arrival(sk, bpf_skc_to_tcp_sock(sk));
	return 0;
}

/* There in Linux 6.18, not in 6.12. Fires with the first byte not yet handed to TCP, so once more for each further piece of a
 * large send. */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(lat_send, struct sock *sk, struct msghdr *msg)
{
	if (sk->sk_bpf_storage)
		sending(sk, bpf_skc_to_tcp_sock(sk), msg);
	return 0;
}

/* Where the former does not exist: once for each send, before the socket's lock is taken. */
SEC("fentry/tcp_sendmsg")
int BPF_PROG(lat_sendmsg, struct sock *sk, struct msghdr *msg)
{
	if (sk->sk_bpf_storage)
		sending(sk, bpf_skc_to_tcp_sock(sk), msg);
	return 0;
}

/* Where neither can be had. The message is gone: no status is known. It fires after the socket's lock
 * was released, so the client may have answered the response with its next request already: that one starts here. What was
 * sent is counted by then, so that no exchange can be told by it: all are measured. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(lat_sent, struct sock *sk, int ret)
{
	struct probe_socket *mark;
	struct tcp_sock *tcp;

	if (ret <= 0)
		return 0;
	mark = watched(sk);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!mark || !tcp || !live_control(mark))
		return 0;
	count(mark, PROBE_SENT, 1);
	note_position(sk, tcp, mark);
	response(mark, STATUS_UNKNOWN, 1);
	if (!mark->request_ns && bytes_waiting(sk, tcp)) {
		mark->request_ns = bpf_ktime_get_ns();
		mark->request_at = tcp->write_seq;
	}
	return 0;
}
