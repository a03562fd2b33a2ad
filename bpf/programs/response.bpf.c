/* Beginnings of production's responses, for comparison with the shadow's. Loaded once a session asks for it, and attached for as
 * long as one does. Of rsp_send and rsp_sendmsg one is attached; rsp_packet once a service sends what these cannot read. */
#define PROBE_MAPS_HERE /* replaced by the tap's before loading */
#include "lib/response.bpf.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* See lat_send: once more for each further piece of a large send, with the bytes not yet handed to TCP. */
SEC("tp_btf/tcp_sendmsg_locked")
int BPF_PROG(rsp_send, struct sock *sk, struct msghdr *msg)
{
	tap_response(sk, msg);
	return 0;
}

/* Where the former does not exist (Linux 6.12): once for each send, before the socket's lock is taken. Of two threads that send
 * at the same time on one connection, which nobody does who has responses to tell apart, the numbers would be wrong. */
SEC("fentry/tcp_sendmsg")
int BPF_PROG(rsp_sendmsg, struct sock *sk, struct msghdr *msg)
{
	tap_response(sk, msg);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(rsp_state, struct sock *sk, int old_state, int new_state)
{
	if (new_state == BPF_TCP_FIN_WAIT1 || new_state == BPF_TCP_LAST_ACK)
		tap_response_end(sk);
	return 0;
}

/* For services that send from files: attached to the root of the cgroup v2 hierarchy, when every packet that the machine's
 * sockets send passes it. Always lets it through. */
SEC("cgroup_skb/egress")
int rsp_packet(struct __sk_buff *packet)
{
	struct response_stream *stream;
	struct response_wish *wish;
	struct probe_socket *mark;
	struct bpf_sock *sk = packet->sk;

	if (sk)
		sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	stream = bpf_sk_storage_get(&responses, sk, 0, 0);
	if (!stream || !stream->begun || !stream->packets)
		return 1;
	mark = bpf_sk_storage_get(&sockets, sk, 0, 0);
	if (!mark)
		return 1;
	wish = wish_for(mark);
	if (wish)
		tap_leaving(packet, mark, stream, wish->bytes);
	return 1;
}
