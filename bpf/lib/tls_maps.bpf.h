#pragma once
/* What joins a TLS library's calls to the sockets they read. The tap's object defines the maps; that of the uprobes is
 * loaded later, with these very maps in place of its own. See docs/tls.md. */
#include "lib/response_record.bpf.h"

enum {
	TLS_STREAMS = 65536, /* sampled TLS connections open at once on a node */
};

/* What a TLS function does with plaintext. */
enum tls_does {
	TLS_NOTHING,
	TLS_READS,
	TLS_WRITES,
	TLS_WRITES_FILE, /* of which only the size is known */
};

/* Of a thread: the TLS function it is in. */
struct tls_call {
	__u64 ssl;       /* SSL *; 0: in none */
	__u64 sp;        /* stack pointer at its entry: tells its return from that of a call nested in it */
	__u64 buffer;    /* where it puts plaintext, or takes it from, and */
	__u64 size_at;   /* where it puts how much; 0: it returns that */
	__u64 conn_id;   /* of the connection it has received from; 0: none yet */
	__u64 does;      /* an enum tls_does */
};

/* An SSL object. The pointer alone is not enough: two processes have equal ones. */
struct tls_session {
	__u64 ssl;
	__u32 tgid;
	__u32 pad;
};

/* The plaintext of a sampled connection, by the connection's conn_id. */
struct tls_stream {
	struct probe_socket mark; /* as the socket's, but next_seq counts plaintext */
	struct tls_session session; /* that it was matched to last; ssl 0: to none yet */
	__u64 ts_ns; /* when the kernel had queued the bytes received last */
	__u32 forgotten; /* the SSL object was freed, or one reference to it */
	__u32 severed; /* what it decrypts can no longer be followed: nothing more is copied */
	__u32 after_send; /* the service has sent since its plaintext was last copied */
	__u32 pad;
	struct response_stream response; /* of what it encrypts, whose numbers begin with 0; `sent`: of the next byte */
};

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tls_call);
} tls_calls SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLS_STREAMS);
	__type(key, struct tls_session);
	__type(value, __u64); /* conn_id */
} tls_sessions SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TLS_STREAMS);
	__type(key, __u64); /* conn_id */
	__type(value, struct tls_stream);
} tls_streams SEC(".maps");

static __always_inline struct tls_session tls_session_of(__u64 ssl)
{
	struct tls_session session = {.ssl = ssl, .tgid = bpf_get_current_pid_tgid() >> 32};

	return session;
}

/* The stream that an SSL object of the current process is matched to, or null. */
static __always_inline struct tls_stream *tls_stream_of(const struct tls_session *session)
{
	__u64 *conn_id = bpf_map_lookup_elem(&tls_sessions, session);

	return conn_id ? bpf_map_lookup_elem(&tls_streams, conn_id) : NULL;
}
