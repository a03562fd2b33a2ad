#pragma once
/* Where a packet's payload is, at the hooks of cgroups: from its network header on. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

enum {
	PACKET_IPV4 = 4,
	PACKET_IPV6 = 6,
	PACKET_TCP = 6,
	PACKET_IPV6_HEADER = 40,
	PACKET_MOST = 1 << 16, /* bytes of the largest that segments are merged to, headers included */
};

/* Where a TCP packet's payload is. */
struct packet_payload {
	__u32 offset;
	__u32 seq;
	__u32 len;
};

/* Returns false if it has none, or is not understood: IPv6 with extension headers. */
static __always_inline bool find_payload(struct __sk_buff *packet, struct packet_payload *payload)
{
	__u8 first[PACKET_IPV6_HEADER / 4], flags[4]; /* enough of either header */
	__u32 at, seq;

	if (bpf_skb_load_bytes(packet, 0, first, sizeof(first)))
		return false;
	if (first[0] >> 4 == PACKET_IPV4 && first[9] == PACKET_TCP)
		at = (first[0] & 15) * 4;
	else if (first[0] >> 4 == PACKET_IPV6 && first[6] == PACKET_TCP)
		at = PACKET_IPV6_HEADER;
	else
		return false;
	if (bpf_skb_load_bytes(packet, at + 4, &seq, sizeof(seq)) || bpf_skb_load_bytes(packet, at + 12, flags, sizeof(flags)))
		return false;
	payload->offset = at + (flags[0] >> 4) * 4;
	if (payload->offset >= packet->len)
		return false;
	payload->seq = bpf_ntohl(seq);
	payload->len = packet->len - payload->offset;
	return true;
}
