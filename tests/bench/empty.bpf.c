/* The least that being called at the tap's tracepoint can cost: what the tap is compared with. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/skb_copy_datagram_iovec")
int empty_copy(void *ctx)
{
	return 0;
}

SEC("tp_btf/sk_data_ready")
int empty_ready(void *ctx)
{
	return 0;
}

SEC("tp_btf/tcp_sendmsg_locked")
int empty_send(void *ctx)
{
	return 0;
}
