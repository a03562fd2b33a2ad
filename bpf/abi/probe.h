#pragma once
/* What the kernel side of the probe and the agent say to each other. See docs/architecture.md for the data path. */
#include "abi.h"
#include "histogram.h"
#include "mix.h"

enum {
	PROBE_SLOTS = 16,          /* instances and shadows watched at once on a node */
	PROBE_SMALL_CHUNK = 208,   /* payload of the record classes: with the header 256, 1024, … bytes of ring */
	PROBE_MEDIUM_CHUNK = 976,
	PROBE_LARGE_CHUNK = 8144,
	PROBE_WAKE_BYTES = 256 << 10, /* of ring fill, after each of which the reader is woken; else it polls */
	PROBE_HOT_RING_BYTES = 128 << 10, /* the reader is woken when half of it is full */
	PROBE_PORTS = 256,         /* entries of probe_shared.thinning: see probe_port() */
	PROBE_MOST_THINNING = 10,
};

/* Flags of a watched socket. */
enum {
	SOCKET_SAMPLED = 1 << 0,   /* its received bytes are copied to the ring */
	SOCKET_DICED = 1 << 1,     /* the sampling dice was thrown */
	SOCKET_JOINED = 1 << 2,    /* was open before the probe: its stream starts in the middle */
	SOCKET_LISTENER = 1 << 3,
	SOCKET_OPENED = 1 << 4,    /* its TAP_OPEN was sent, or counted as lost */
	SOCKET_UNSURE = 1 << 5,    /* its bytes can no longer be told apart: nothing more is copied */
	SOCKET_TLS = 1 << 6,       /* its records hold plaintext; next_seq counts ciphertext taken inside TLS functions */
	SOCKET_PACKETS = 1 << 7,   /* its records are packets as they arrive; next_seq is behind the furthest of them */
};

/* What the next record of a sampled connection has to tell. Changed with atomic instructions, as packets of one socket may arrive
 * on several processors at once. */
enum {
	STREAM_BROKEN = 1 << 0, /* bytes were lost since its last record; copying resumes when there is room again */
	STREAM_PAUSED = 1 << 1, /* bytes since its last record were passed over: see CONTROL_PAUSED */
	STREAM_BEGUN = 1 << 2,  /* a record of its bytes was submitted */
	STREAM_UNTOLD = 1 << 3, /* its TAP_OPEN was lost; another one, a TAP_JOIN, is sent when there is room again */
};

/* Socket storage (BPF_MAP_TYPE_SK_STORAGE, cloned from a listener to the connections it accepts). */
struct probe_socket {
	__u16 slot;        /* which instance, index into the per-slot maps */
	__u16 flags;
	__u32 generation;  /* of the slot when it was taken: a released slot's sockets are ignored */
	__u64 conn_id;     /* socket cookie; 0 unless the connection is sampled */
	__u64 request_ns;  /* when the kernel had queued the first byte not yet answered; 0: none waits */
	__u32 write_seq;   /* number of the next byte to send when bytes were last read: with another one the service has sent since */
	__u32 next_seq;    /* TCP sequence number after the last byte that the tap has seen */
	__u32 sent_seq;    /* of the first byte that the service had not taken yet when it last sent in a measured exchange */
	__u32 request_at;  /* number of the next byte to send, when request_ns was set */
	__u32 thinned;     /* the exchange that request_ns begins was chosen by thinning: an interim response ends it */
	__u32 glanced_at;  /* the same of the last exchange that is in a mix */
	__u32 stream;      /* STREAM_… */
	__u32 pad;
};
ABI_ASSERT(sizeof(struct probe_socket) == 56);

enum tap_record_type {
	TAP_OPEN = 1,   /* a sampled connection was established: seq is its first byte's number */
	TAP_DATA = 2,   /* len bytes from seq on follow the header */
	TAP_CLOSE = 3,  /* closed: seq is the number after the last byte the service took, a FIN not counted */
};

enum {
	TAP_AFTER_SEND = 1 << 0, /* the service has sent since it took the byte before the record's first one */
	TAP_JOIN = 1 << 1,       /* first record of a connection of which earlier bytes were not captured */
	TAP_BROKEN = 1 << 2,     /* of a TAP_CLOSE: bytes since the last record, or the TAP_OPEN, were lost */
	TAP_HOLE = 1 << 3,       /* bytes were lost between the connection's last record and this one */
	TAP_PACKET = 1 << 4,     /* of a TAP_DATA: as it arrived, maybe before what comes before it, maybe once more */
	TAP_PAUSED = 1 << 5,     /* bytes between the connection's last record and this one were passed over in a pause */
	TAP_PLAINTEXT = 1 << 8,  /* what the service's TLS library decrypted: seq counts it from 0 on (docs/tls.md) */
};

/* Header of a ring record. A gap between records' sequence numbers is a hole, an overlap a repeat (MSG_PEEK). */
struct tap_record {
	__u64 ts_ns;     /* CLOCK_MONOTONIC: when the kernel had queued the bytes for the service */
	__u64 conn_id;
	__u32 type;
	__u32 flags;
	__u32 slot;
	__u32 seq;
	__u32 len;       /* payload bytes that follow; the record itself may be longer (size classes) */
	__u32 generation; /* of the slot */
	__u32 pad[2];
};
ABI_ASSERT(sizeof(struct tap_record) == 48);

/* Counters, per CPU and slot; each is exported, none is silent. */
enum probe_counter {
	PROBE_CONNECTIONS,       /* connections established on the slot's listeners */
	PROBE_SAMPLED,           /* of these, how many the dice chose (joined ones included) */
	/* Payload bytes the service read on sampled connections, each once: those in records, and the three kinds that
	 * are not (PROBE_RING_FULL_BYTES + PROBE_UNREADABLE + PROBE_SKIPPED_BYTES). */
	PROBE_BYTES,
	PROBE_RECORDS,           /* records submitted */
	PROBE_RING_FULL,         /* records lost to a full ring */
	PROBE_RING_FULL_BYTES,   /* payload bytes in them */
	PROBE_UNREADABLE,        /* bytes that could not be copied, or were taken past the tap: see PROBE_SPLICED */
	PROBE_PEEKED,            /* packets read that held nothing new (MSG_PEEK, or the read after it), skipped */
	/* These four are multiplied up where one exchange in so many is measured (probe_shared.thinning). */
	PROBE_REQUESTS,          /* responses begun: a request was waiting and the service sent */
	PROBE_STATUS_ERROR,      /* of these, HTTP status 500 to 599 */
	PROBE_STATUS_UNKNOWN,    /* of these, no readable HTTP status line (other protocol, or a page not present) */
	PROBE_SENT,              /* sends on watched sockets, in the kernel's pieces: a large one counts more than once */
	PROBE_SKIPPED_BYTES,     /* bytes read after a loss, before the ring had room enough to resume */
	PROBE_TLS_UNSEEN,        /* sampled TLS connections of which ciphertext went past the probed functions */
	PROBE_HOLES,             /* times that a sampled connection lost bytes: each is one gap between its records */
	/* Of PROBE_UNREADABLE, those whose cause is known. What is left over is unknown: the cause is looked for only from the
	 * first unreadable bytes of a slot on, as looking costs every read of the machine. */
	PROBE_SPLICED,           /* moved to a pipe or a file: splice(), sendfile() */
	PROBE_ZERO_COPIED,       /* mapped into the service: TCP_ZEROCOPY_RECEIVE */
	PROBE_DISCARDED,         /* thrown away by the service: MSG_TRUNC */
	PROBE_OTHER_CALL,        /* read in a way that the tap in use cannot follow: io_uring, recvmmsg() */
	PROBE_PAUSED,            /* payload bytes passed over in pauses: neither lost, nor in PROBE_BYTES */
	PROBE_COUNTERS,
};

struct probe_counters {
	__u64 value[PROBE_COUNTERS];
};

/* Service time: request queued on the socket to first byte of the response sent; of the exchanges that are measured. */
struct probe_histogram {
	__u64 count;
	__u64 sum_ns;
	__u64 bucket[HISTOGRAM_BUCKETS];
};
ABI_ASSERT(sizeof(struct probe_histogram) == 16 + 8 * HISTOGRAM_BUCKETS);

/* What is counted of a slot, per CPU, cumulative. In one piece: where each system call empties the TLB, every page that a
 * program touches costs it some 30 ns. */
struct probe_measured {
	struct probe_counters counters;
	struct probe_histogram service_time;
};

/* What a slot's requests look like, on all of its connections and on those that are sampled; per CPU, since the slot was taken.
 * One exchange in four is looked at, where there are many fewer, and the first read of it alone: a size is what waits then, a
 * gap in jiffies from what was last sent. */
struct probe_mixes {
	struct traffic_mix all, sampled;
};

/* Flags of a slot. */
enum {
	CONTROL_TLS = 1 << 0, /* connections that are opened from now on carry TLS: capture what it decrypts to */
	CONTROL_PACKETS = 1 << 1, /* capture connections opened from now on, and those that are spliced, from their packets */
	/* What is read on sampled connections is passed over, on each from where the service reads on after it has sent to where
	 * it does so again when the flag is gone: whole exchanges, if they follow one another. What a connection begins with is
	 * copied all the same, so that its protocol is known. */
	CONTROL_PAUSED = 1 << 2,
};

/* Written by the agent at any time; one for each slot. */
struct probe_control {
	__u64 sample_threshold; /* a connection is sampled if a random u32 is below it: 0 none, 2^32 all */
	__u32 generation;       /* another number each time the slot is taken; 0: released */
	__u32 flags;
};
ABI_ASSERT(sizeof(struct probe_control) == 16);

/* What the programs have found of a slot since the agent last looked. */
enum probe_past_tap {
	PAST_TAP_NOTHING,
	PAST_TAP_BYTES,   /* bytes of a sampled connection went past the tap: to be attached is tap_cause */
	PAST_TAP_SPLICED, /* without being copied to the service: no tap sees such, but tap_packet does */
};

/* Where the thinning of connections to a port is found. By port and network namespace, as what is not measured is not to pay for
 * finding its slot. `netns`: its cookie (SO_NETNS_COOKIE). */
static inline __u32 probe_port(__u16 port, __u64 netns)
{
	return (port + netns * 7) % PROBE_PORTS;
}

/* Mapped by the agent. */
struct probe_shared {
	struct probe_control control[PROBE_SLOTS];
	__u32 past_tap[PROBE_SLOTS]; /* a probe_past_tap */
	__u32 past_send[PROBE_SLOTS]; /* 1: responses were sent that the hook of sends cannot read: to be attached is rsp_packet */
	__u8 thinning[PROBE_PORTS]; /* one in 2^n of the exchanges on connections to a port is measured */
};
ABI_ASSERT(sizeof(struct probe_shared) == 24 * PROBE_SLOTS + PROBE_PORTS);
