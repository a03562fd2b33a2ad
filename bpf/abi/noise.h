#pragma once
/* What the packet noise and the agent say to each other (docs/noise.md). */
#include "abi.h"

enum {
	NOISE_CLASS = 0x10001, /* priority, so class, of responses that a queue shapes: htb's 1:1 */
};

/* Written by the agent at any time; `on` last, so that noise begins and ends with one store. Shares are of 2^32. */
struct noise_settings {
	__u32 on;
	__u32 shape;     /* give responses NOISE_CLASS */
	__u64 loss;      /* of packets, dropped as they arrive */
	__u64 duplicate; /* of packets that are not dropped */
	__u64 refuse;    /* of connections */
	__u32 port;      /* of the service, or of what the shadow depends on: all else passes untouched */
	__u32 udp_port;  /* the same, of datagrams; 0: none */
};
ABI_ASSERT(sizeof(struct noise_settings) == 40);

/* Per CPU, cumulative, of packets of the service's port while noise is on. */
struct noise_counters {
	__u64 packets;   /* that arrived, duplicates of this program not counted */
	__u64 dropped;
	__u64 offered;   /* not dropped, so that duplication had its chance */
	__u64 duplicated;
	__u64 attempts;  /* connections: SYNs */
	__u64 refused;
	__u64 responses; /* packets of the service that were shaped */
	__u64 response_bytes;
};
ABI_ASSERT(sizeof(struct noise_counters) == 64);
