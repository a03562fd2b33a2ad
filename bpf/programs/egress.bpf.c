/* Keeps a shadow from reaching anything: deny by default. Programs at its cgroup see what a socket asks for, can send it
 * to the forwarder instead, and let the shadow believe that it was not; the one at its link sees everything that leaves
 * it, whoever made the socket. Both count what they refuse by destination. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/icmpv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/errno.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi/egress.h"
#include "lib/egress.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Of a socket address hook: lets the call go on, perhaps to somewhere else, or makes it fail. */
#define ALLOW 1
#define DENY 0

static __always_inline int refuse(void)
{
	/* As without a route there. Before Linux 5.18 the caller sees EPERM. */
	if (can_tell_errno)
		bpf_set_retval(-ENETUNREACH);
	return DENY;
}

/* A connect() or an unconnected send. Sets *port to the forwarder's port if it shall go there. */
static __always_inline int judge(struct bpf_sock_addr *ctx, struct egress_destination *to, bool connects, __u16 *port)
{
	bool v4 = is_v4(to->address);
	int rule;

	to->transport = transport_of(ctx->protocol);
	rule = rule_for(to, v4);
	if (rule < 0 && is_own(to->address, v4)) {
		if (connects)
			forget(ctx->sk);
		return ALLOW;
	}
	if (rule >= 0 && to->transport == EGRESS_TCP)
		*port = egress.rule[rule & (EGRESS_RULES - 1)].tcp_port;
	else if (rule >= 0 && to->transport == EGRESS_UDP)
		*port = egress.rule[rule & (EGRESS_RULES - 1)].udp_port;
	if (!*port || (connects && !remember(ctx->sk, to, rule))) {
		count(to, EGRESS_DENIED);
		return refuse();
	}
	count(to, egress.rule[rule & (EGRESS_RULES - 1)].action);
	return ALLOW;
}

static __always_inline int judge4(struct bpf_sock_addr *ctx, bool connects)
{
	struct egress_destination to = {};
	__u16 port = 0;
	int verdict;

	map_v4(to.address, ctx->user_ip4);
	to.port = ctx->user_port;
	verdict = judge(ctx, &to, connects, &port);
	if (port && verdict == ALLOW) {
		ctx->user_ip4 = egress.agent[1][3];
		ctx->user_port = port;
	}
	return verdict;
}

static __always_inline int judge6(struct bpf_sock_addr *ctx, bool connects)
{
	struct egress_destination to = {};
	__u16 port = 0;
	int verdict;
	bool v4;

	to.address[0] = ctx->user_ip6[0];
	to.address[1] = ctx->user_ip6[1];
	to.address[2] = ctx->user_ip6[2];
	to.address[3] = ctx->user_ip6[3];
	to.port = ctx->user_port;
	v4 = is_v4(to.address);
	verdict = judge(ctx, &to, connects, &port);
	if (port && verdict == ALLOW) {
		ctx->user_ip6[0] = egress.agent[v4][0];
		ctx->user_ip6[1] = egress.agent[v4][1];
		ctx->user_ip6[2] = egress.agent[v4][2];
		ctx->user_ip6[3] = egress.agent[v4][3];
		ctx->user_port = port;
	}
	return verdict;
}

SEC("cgroup/connect4")
int egr_connect4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx, true);
}

SEC("cgroup/connect6")
int egr_connect6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx, true);
}

SEC("cgroup/sendmsg4")
int egr_sendmsg4(struct bpf_sock_addr *ctx)
{
	return judge4(ctx, false);
}

SEC("cgroup/sendmsg6")
int egr_sendmsg6(struct bpf_sock_addr *ctx)
{
	return judge6(ctx, false);
}

/* An answer through the forwarder seems to come from where the question went. */
SEC("cgroup/recvmsg4")
int egr_recvmsg4(struct bpf_sock_addr *ctx)
{
	int rule;

	if (ctx->user_ip4 != egress.agent[1][3])
		return ALLOW;
	rule = rule_of_udp_port(ctx->user_port, true);
	if (rule >= 0) {
		ctx->user_ip4 = egress.rule[rule & (EGRESS_RULES - 1)].network[3];
		ctx->user_port = egress.rule[rule & (EGRESS_RULES - 1)].port;
	}
	return ALLOW;
}

SEC("cgroup/recvmsg6")
int egr_recvmsg6(struct bpf_sock_addr *ctx)
{
	__u32 from[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	bool v4 = is_v4(from);
	int rule;

	if (!same(from, egress.agent[v4]))
		return ALLOW;
	rule = rule_of_udp_port(ctx->user_port, v4);
	if (rule >= 0) {
		const volatile struct egress_rule *asked = &egress.rule[rule & (EGRESS_RULES - 1)];

		ctx->user_ip6[0] = asked->network[0];
		ctx->user_ip6[1] = asked->network[1];
		ctx->user_ip6[2] = asked->network[2];
		ctx->user_ip6[3] = asked->network[3];
		ctx->user_port = asked->port;
	}
	return ALLOW;
}

SEC("cgroup/getpeername4")
int egr_peer4(struct bpf_sock_addr *ctx)
{
	struct egress_flow *flow = remembered(ctx->sk);

	if (flow) {
		ctx->user_ip4 = flow->address[3];
		ctx->user_port = flow->port;
	}
	return ALLOW;
}

SEC("cgroup/getpeername6")
int egr_peer6(struct bpf_sock_addr *ctx)
{
	struct egress_flow *flow = remembered(ctx->sk);

	if (flow) {
		ctx->user_ip6[0] = flow->address[0];
		ctx->user_ip6[1] = flow->address[1];
		ctx->user_ip6[2] = flow->address[2];
		ctx->user_ip6[3] = flow->address[3];
		ctx->user_port = flow->port;
	}
	return ALLOW;
}

/* Sockets that could say things the other hooks do not see. */
SEC("cgroup/sock_create")
int egr_create(struct bpf_sock *sk)
{
	struct egress_destination to = {};

	to.transport = sk->type == 3 /* SOCK_RAW */ ? EGRESS_RAW : transport_of(sk->protocol);
	if (sk->protocol == IPPROTO_ICMP || sk->protocol == IPPROTO_ICMPV6)
		to.transport = EGRESS_ICMP;
	if (to.transport == EGRESS_TCP || to.transport == EGRESS_UDP)
		return ALLOW;
	count(&to, EGRESS_DENIED);
	return DENY;
}

/* Tells the forwarder, by the connection's source, what it was meant for. */
SEC("sockops")
int egr_flow(struct bpf_sock_ops *ctx)
{
	struct egress_source source = {};
	struct egress_flow *flow;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	flow = remembered(ctx->sk);
	if (!flow)
		return 1;
	if (is_v4(flow->address)) {
		map_v4(source.address, ctx->local_ip4);
	} else {
		source.address[0] = ctx->local_ip6[0];
		source.address[1] = ctx->local_ip6[1];
		source.address[2] = ctx->local_ip6[2];
		source.address[3] = ctx->local_ip6[3];
	}
	source.port = bpf_htons(ctx->local_port);
	bpf_map_update_elem(&flows, &source, flow, BPF_ANY);
	return 1;
}

/* At the agent's end of the shadow's link: what does not answer the replayer, and is not for the forwarder, ends here. */
SEC("tc")
int egr_link(struct __sk_buff *skb)
{
	switch (skb->protocol) {
	case bpf_htons(ETH_P_ARP):
		return TC_ACT_UNSPEC;
	case bpf_htons(ETH_P_IP):
		return leaving_v4(skb);
	case bpf_htons(ETH_P_IPV6):
		return leaving_v6(skb);
	}
	return drop(&(struct egress_destination){.transport = EGRESS_RAW});
}
