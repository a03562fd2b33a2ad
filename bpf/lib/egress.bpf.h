#pragma once
/* The egress guard's maps, and what its hooks ask: whose address is it, which rule is it under, what leaves the link. */

const volatile struct egress_config egress = {};
const volatile bool can_tell_errno = false; /* the kernel has bpf_set_retval() for these hooks */

/* Attempts beyond EGRESS_DESTINATIONS, by action; and packets that the shadow's kernel sends of itself (group membership,
 * router solicitation), which are dropped. */
__u64 uncounted[EGRESS_ACTIONS] = {};
__u64 chatter = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EGRESS_DESTINATIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct egress_destination);
	__type(value, __u64);
} attempts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EGRESS_FLOWS);
	__type(key, struct egress_source);
	__type(value, struct egress_flow);
} flows SEC(".maps");

/* Of sockets whose connection was sent to the forwarder: what they had asked for. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct egress_flow);
} asked_for SEC(".maps");

static __always_inline bool is_v4(const __u32 *address)
{
	return !address[0] && !address[1] && address[2] == bpf_htonl(0xffff);
}

static __always_inline void map_v4(__u32 *address, __u32 v4)
{
	address[0] = address[1] = 0;
	address[2] = bpf_htonl(0xffff);
	address[3] = v4;
}

static __always_inline bool same(const __u32 *a, const volatile __u32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* Leads back to the shadow: loopback, the unspecified address (which connects to loopback), its own addresses. */
static __always_inline bool is_own(const __u32 *address, bool v4)
{
	int i;

	if (v4 && ((bpf_ntohl(address[3]) >> 24) == 127 || !address[3]))
		return true;
	if (!address[0] && !address[1] && !address[2] && bpf_ntohl(address[3]) <= 1)
		return true;
	for (i = 0; i < EGRESS_OWN && i < egress.own; i++)
		if (same(address, egress.own_address[i]))
			return true;
	return false;
}

/* The first rule that the destination is under; -1: none. */
static __always_inline int rule_for(const struct egress_destination *to, bool v4)
{
	int i, word;

	for (i = 0; i < EGRESS_RULES && i < egress.rules; i++) {
		const volatile struct egress_rule *rule = &egress.rule[i];
		bool under = rule->v4 == v4 && (!rule->port || rule->port == to->port);

		for (word = 0; word < 4; word++)
			under = under && (to->address[word] & rule->mask[word]) == rule->network[word];
		if (under)
			return i;
	}
	return -1;
}

/* The rule whose datagrams the forwarder exchanges at that port; -1: none. */
static __always_inline int rule_of_udp_port(__u16 port, bool v4)
{
	int i;

	for (i = 0; i < EGRESS_RULES && i < egress.rules; i++)
		if (port && egress.rule[i].udp_port == port && egress.rule[i].v4 == v4)
			return i;
	return -1;
}

/* Whether the forwarder accepts connections at that port. */
static __always_inline bool is_tcp_port(__u16 port, bool v4)
{
	int i;

	for (i = 0; i < EGRESS_RULES && i < egress.rules; i++)
		if (port && egress.rule[i].tcp_port == port && egress.rule[i].v4 == v4)
			return true;
	return false;
}

static __always_inline __u8 transport_of(__u32 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_MPTCP:
		return EGRESS_TCP;
	case IPPROTO_UDP:
		return EGRESS_UDP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return EGRESS_ICMP;
	}
	return EGRESS_RAW;
}

static __always_inline void count(struct egress_destination *to, __u8 action)
{
	__u64 first = 1, *counted;

	to->action = action;
	counted = bpf_map_lookup_elem(&attempts, to);
	if (!counted && !bpf_map_update_elem(&attempts, to, &first, BPF_NOEXIST))
		return;
	if (!counted) /* no room, or another CPU was first */
		counted = bpf_map_lookup_elem(&attempts, to);
	if (counted)
		__sync_fetch_and_add(counted, 1);
	else if (action < EGRESS_ACTIONS)
		__sync_fetch_and_add(&uncounted[action], 1);
}

static __always_inline bool remember(struct bpf_sock *sk, const struct egress_destination *to, int rule)
{
	struct egress_flow *flow;

	if (!sk)
		return false;
	flow = bpf_sk_storage_get(&asked_for, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!flow)
		return false;
	flow->address[0] = to->address[0];
	flow->address[1] = to->address[1];
	flow->address[2] = to->address[2];
	flow->address[3] = to->address[3];
	flow->port = to->port;
	flow->rule = rule;
	return true;
}

static __always_inline void forget(struct bpf_sock *sk)
{
	if (sk && egress.rules)
		bpf_sk_storage_delete(&asked_for, sk);
}

static __always_inline struct egress_flow *remembered(struct bpf_sock *sk)
{
	return sk ? bpf_sk_storage_get(&asked_for, sk, 0, 0) : NULL;
}

static __always_inline int drop(struct egress_destination *to)
{
	count(to, EGRESS_DENIED);
	return TC_ACT_SHOT;
}

static __always_inline int drop_chatter(void)
{
	__sync_fetch_and_add(&chatter, 1);
	return TC_ACT_SHOT;
}

/* What nobody of the shadow has asked for: its kernel answers neighbours, and reports errors of the replayer's packets. */
static __always_inline int leaving_icmp(struct __sk_buff *skb, __u32 at, struct egress_destination *to, bool v4, bool to_agent)
{
	__u8 type;

	to->transport = EGRESS_ICMP;
	if (bpf_skb_load_bytes(skb, at, &type, 1))
		return drop(to);
	if (v4)
		return to_agent && (type == 3 || type == 11 || type == 12) ? TC_ACT_UNSPEC : drop(to);
	if (type == 135 || type == 136 || (to_agent && type >= 1 && type <= 4))
		return TC_ACT_UNSPEC;
	return type == 133 ? drop_chatter() : drop(to);
}

/* An IP payload of that protocol, which begins `at`. */
static __always_inline int leaving(struct __sk_buff *skb, __u32 at, __u8 protocol, struct egress_destination *to, bool v4)
{
	bool to_agent = same(to->address, egress.agent[v4]);
	struct tcphdr tcp;
	struct udphdr udp;

	switch (protocol) {
	case IPPROTO_TCP:
		if (bpf_skb_load_bytes(skb, at, &tcp, sizeof(tcp)))
			break;
		to->transport = EGRESS_TCP;
		to->port = tcp.dest;
		/* What belongs to no connection is answered by a reset, as everywhere. */
		if (to_agent && (!tcp.syn || tcp.ack || is_tcp_port(tcp.dest, v4)))
			return TC_ACT_UNSPEC;
		return drop(to);
	case IPPROTO_UDP:
		if (bpf_skb_load_bytes(skb, at, &udp, sizeof(udp)))
			break;
		to->transport = EGRESS_UDP;
		to->port = udp.dest;
		return to_agent && rule_of_udp_port(udp.dest, v4) >= 0 ? TC_ACT_UNSPEC : drop(to);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return leaving_icmp(skb, at, to, v4, to_agent);
	}
	to->transport = EGRESS_RAW;
	return drop(to);
}

static __always_inline int leaving_v4(struct __sk_buff *skb)
{
	struct egress_destination to = {.transport = EGRESS_RAW};
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return drop(&to);
	map_v4(to.address, ip.daddr);
	if (ip.protocol == IPPROTO_IGMP)
		return drop_chatter();
	/* Further fragments are worth nothing without the first one, which has to have all of its header. */
	if (ip.frag_off & bpf_htons(0x1fff))
		return same(to.address, egress.agent[1]) ? TC_ACT_UNSPEC : drop(&to);
	return leaving(skb, ETH_HLEN + ip.ihl * 4, ip.protocol, &to, true);
}

static __always_inline int leaving_v6(struct __sk_buff *skb)
{
	struct egress_destination to = {.transport = EGRESS_RAW};
	struct ipv6hdr ip;
	__u8 hop_by_hop[2];

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return drop(&to);
	to.address[0] = ip.daddr.in6_u.u6_addr32[0];
	to.address[1] = ip.daddr.in6_u.u6_addr32[1];
	to.address[2] = ip.daddr.in6_u.u6_addr32[2];
	to.address[3] = ip.daddr.in6_u.u6_addr32[3];
	/* Group membership is the only thing that the kernel itself puts behind options. */
	if (ip.nexthdr == 0 && !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(ip), hop_by_hop, sizeof(hop_by_hop)) &&
	    hop_by_hop[0] == IPPROTO_ICMPV6)
		return drop_chatter();
	return leaving(skb, ETH_HLEN + sizeof(ip), ip.nexthdr, &to, false);
}
