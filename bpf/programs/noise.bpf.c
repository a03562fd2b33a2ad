/* Noise on the packets between the replayer and a shadow: loss, duplication, refused connections; and the class of
 * responses that a queue delays or limits. Attached with tc in the shadow's namespaces only, so it goes with them. A packet
 * that it does nothing to goes on to the next filter. */
#include "kernel_types.h"
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "abi/noise.h"

char LICENSE[] SEC("license") = "GPL";

#define DUPLICATE_MARK 0x6e6f6973 /* of a duplicate on its way back to where it came from */

enum {
	TCP_FIN_SYN_RST_PSH_ACK = 0x1f,
	TCP_SYN = 0x02,
	TCP_RST_ACK = 0x14,
	IP_MORE_OR_OFFSET = 0x3fff,
};

struct noise_settings settings = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct noise_counters);
} counts SEC(".maps");

struct tcp_start { /* of a TCP header */
	__be16 source, dest;
	__be32 seq, ack;
	__u8 length; /* in words, upper half */
	__u8 flags;
	__be16 window, check, urgent;
};

struct segment {
	__u32 ip, tcp; /* offsets */
	bool v6;
	struct tcp_start start;
};

static __always_inline bool chance(__u64 share)
{
	return share && bpf_get_prandom_u32() < share;
}

/* False unless it is from or to the port, a TCP segment or the first piece of a datagram. */
static __always_inline bool read_segment(struct __sk_buff *skb, struct segment *segment)
{
	__be16 port = bpf_htons(settings.port);
	__u8 version = 0, protocol = 0;
	__be16 fragment = 0;

	segment->ip = ETH_HLEN;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &version, 1) || bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1) ||
		    bpf_skb_load_bytes(skb, ETH_HLEN + 6, &fragment, 2) || fragment & bpf_htons(IP_MORE_OR_OFFSET))
			return false;
		segment->v6 = false;
		segment->tcp = ETH_HLEN + (version & 0xf) * 4;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		/* TCP without extension headers: the kernel itself sends no other. */
		if (bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1))
			return false;
		segment->v6 = true;
		segment->tcp = ETH_HLEN + 40;
	} else {
		return false;
	}
	if (protocol == IPPROTO_UDP && settings.udp_port) {
		__be16 ports[2];

		__builtin_memset(&segment->start, 0, sizeof(segment->start));
		return !bpf_skb_load_bytes(skb, segment->tcp, ports, sizeof(ports)) &&
		       (ports[0] == bpf_htons(settings.udp_port) || ports[1] == bpf_htons(settings.udp_port));
	}
	return protocol == IPPROTO_TCP && !bpf_skb_load_bytes(skb, segment->tcp, &segment->start, sizeof(segment->start)) &&
	       (segment->start.source == port || segment->start.dest == port);
}

/* `size` bytes at two places change places. Of what a checksum covers; a sum does not depend on the order. */
static __always_inline void swap(struct __sk_buff *skb, __u32 one, __u32 other, void *a, void *b, __u32 size)
{
	if (bpf_skb_load_bytes(skb, one, a, size) || bpf_skb_load_bytes(skb, other, b, size))
		return;
	bpf_skb_store_bytes(skb, one, b, size, 0);
	bpf_skb_store_bytes(skb, other, a, size, 0);
}

/* Turns a SYN into the answer of a closed port, and sends it back. */
static __always_inline int refuse(struct __sk_buff *skb, const struct segment *segment)
{
	__u8 a[16], b[16];
	__be32 nothing = 0, ack = bpf_htonl(bpf_ntohl(segment->start.seq) + 1);
	__u32 check = segment->tcp + offsetof(struct tcp_start, check);
	__be16 flags_before, flags_after;

	__builtin_memcpy(&flags_before, &segment->start.length, sizeof(flags_before));
	flags_after = flags_before;
	((__u8 *)&flags_after)[1] = TCP_RST_ACK;
	bpf_l4_csum_replace(skb, check, segment->start.seq, nothing, 4);
	bpf_l4_csum_replace(skb, check, segment->start.ack, ack, 4);
	bpf_l4_csum_replace(skb, check, flags_before, flags_after, 2);
	bpf_skb_store_bytes(skb, segment->tcp + offsetof(struct tcp_start, seq), &nothing, 4, 0);
	bpf_skb_store_bytes(skb, segment->tcp + offsetof(struct tcp_start, ack), &ack, 4, 0);
	bpf_skb_store_bytes(skb, segment->tcp + offsetof(struct tcp_start, length), &flags_after, 2, 0);
	swap(skb, segment->tcp, segment->tcp + 2, a, b, 2);
	if (segment->v6)
		swap(skb, segment->ip + 8, segment->ip + 24, a, b, 16);
	else
		swap(skb, segment->ip + 12, segment->ip + 16, a, b, 4);
	swap(skb, 0, ETH_ALEN, a, b, ETH_ALEN);
	return bpf_redirect(skb->ifindex, 0);
}

SEC("tc")
int noise_arrival(struct __sk_buff *skb)
{
	struct noise_counters *count;
	struct segment segment;
	__u32 zero = 0;

	if (!settings.on || !read_segment(skb, &segment))
		return TC_ACT_UNSPEC;
	if (skb->mark == DUPLICATE_MARK) { /* of ours: another program at this device has other ports */
		skb->mark = 0;
		return TC_ACT_UNSPEC;
	}
	count = bpf_map_lookup_elem(&counts, &zero);
	if (!count)
		return TC_ACT_UNSPEC;
	if ((segment.start.flags & TCP_FIN_SYN_RST_PSH_ACK) == TCP_SYN &&
	    segment.start.dest == bpf_htons(settings.port)) {
		count->attempts++;
		if (chance(settings.refuse)) {
			count->refused++;
			return refuse(skb, &segment);
		}
	}
	count->packets++;
	if (chance(settings.loss)) {
		count->dropped++;
		return TC_ACT_SHOT;
	}
	count->offered++;
	if (chance(settings.duplicate)) {
		skb->mark = DUPLICATE_MARK;
		if (!bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS))
			count->duplicated++;
		skb->mark = 0;
	}
	return TC_ACT_UNSPEC;
}

/* On the way out of the service: before the queue is chosen. */
SEC("tc")
int noise_response(struct __sk_buff *skb)
{
	struct noise_counters *count;
	struct segment segment;
	__u32 zero = 0;

	if (!settings.on || !settings.shape || !read_segment(skb, &segment) ||
	    segment.start.source != bpf_htons(settings.port))
		return TC_ACT_UNSPEC;
	count = bpf_map_lookup_elem(&counts, &zero);
	if (count) {
		count->responses++;
		count->response_bytes += skb->len;
	}
	skb->priority = NOISE_CLASS;
	return TC_ACT_UNSPEC;
}
