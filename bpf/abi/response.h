#pragma once
/* Production's responses, where a session compares them: docs/responses.md. Their records are in the ring that requests use,
 * each a tap_record: seq counts what the service sends. */
#include "probe.h"

enum tap_response_type { /* go on from enum tap_record_type */
	TAP_RESPONSE = 4,     /* len bytes that the service sends from seq on follow the header */
	TAP_RESPONSE_END = 5, /* the service has closed its side: seq is the number after its last byte */
};

/* Flags of them. Numbers between two records of which no record is are bytes beyond the bound, or TAP_LOST_BEFORE. */
enum {
	TAP_RESPONSE_BEGIN = 1 << 9, /* the service has taken bytes of requests since it sent the byte before seq */
	TAP_LOST_BEFORE = 1 << 10,   /* bytes within the bound were lost since the connection's last record */
};

enum response_counter {
	RESPONSE_BYTES,      /* copied */
	RESPONSE_LOST,       /* bytes within the bound that were not: the ring was too full, or they left in a pause; an end that is not told is one */
	RESPONSE_UNREADABLE, /* the same: not in plain user memory (kTLS; sendfile, until that is known), or a page not present */
	RESPONSE_COUNTERS,
};

/* What a slot asks for; written by the agent at any time. */
struct response_wish {
	__u32 bytes;        /* how many of each response are copied; 0: none */
	__u32 from_packets; /* from the packets that leave, as the service has sent past the hook of sends; from a response's begin on */
};
ABI_ASSERT(sizeof(struct response_wish) == 8);

struct response_counters {
	__u64 value[RESPONSE_COUNTERS];
};
