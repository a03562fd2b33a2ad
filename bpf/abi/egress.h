#pragma once
/* What the egress guard of a shadow and the agent say to each other. Addresses have 16 bytes, IPv4 ones mapped into IPv6
 * (::ffff:a.b.c.d); addresses and ports are in network order. docs/egress.md tells what it is for. */
#include "abi.h"

enum {
	EGRESS_RULES = 64,
	EGRESS_OWN = 32,            /* addresses of the shadow itself */
	EGRESS_DESTINATIONS = 4096, /* counted apart; further ones together */
	EGRESS_FLOWS = 8192,        /* connections between their SYN and the forwarder's accept() */
};

enum egress_transport {
	EGRESS_TCP = 1,
	EGRESS_UDP,
	EGRESS_ICMP,
	EGRESS_RAW, /* everything else */
};

enum egress_action {
	EGRESS_DENIED = 1,
	EGRESS_ALLOWED,
	EGRESS_REDIRECTED,
	EGRESS_ACTIONS,
};

struct egress_rule {
	__u32 network[4];
	__u32 mask[4];
	__u16 port;     /* 0: every port */
	__u16 tcp_port, udp_port; /* of the forwarder's ends for this rule; 0: none, that is denied */
	__u8 v4;
	__u8 action;
};
ABI_ASSERT(sizeof(struct egress_rule) == 40);

/* Set before the programs are loaded. */
struct egress_config {
	__u32 agent[2][4];  /* the other end of the shadow's link: IPv6, IPv4 */
	__u16 rules, own;   /* how many there are of each */
	__u32 own_address[EGRESS_OWN][4];
	struct egress_rule rule[EGRESS_RULES];
};
ABI_ASSERT(sizeof(struct egress_config) == 36 + 16 * EGRESS_OWN + 40 * EGRESS_RULES);

/* What is counted: key of the map `attempts`, its value is a __u64. Without an address or port where there is none. */
struct egress_destination {
	__u32 address[4];
	__u16 port;
	__u8 transport;
	__u8 action;
};
ABI_ASSERT(sizeof(struct egress_destination) == 20);

/* A connection to the forwarder by its source, and what it was meant for: key and value of the map `flows`. */
struct egress_source {
	__u32 address[4];
	__u16 port;
	__u16 pad;
};
ABI_ASSERT(sizeof(struct egress_source) == 20);

struct egress_flow {
	__u32 address[4];
	__u16 port;
	__u16 rule;
};
ABI_ASSERT(sizeof(struct egress_flow) == 20);
