#pragma once
/* The tap's half of TLS capture: which SSL object reads which socket. A thread that takes ciphertext off a sampled socket
 * while it is inside a probed TLS function takes it for that function's SSL object, whatever BIO lies between them. Bytes
 * taken anywhere else leave a hole behind the socket's position, which the next read inside, or the close, finds. */
#include "lib/tls_maps.bpf.h"

/* An unknown number of plaintext bytes, it is not known from where on, will not be in any record, nor will what follows:
 * one number is left out, so that the stream has a gap at its end. */
static __always_inline void tls_hole(struct tls_stream *stream)
{
	struct probe_socket *mark = &stream->mark;

	if (stream->severed)
		return;
	stream->severed = 1;
	if (__sync_fetch_and_or(&mark->stream, STREAM_BROKEN) & STREAM_BROKEN)
		return;
	count(mark, PROBE_HOLES, 1);
	mark->next_seq++;
}

static __always_inline struct tls_stream *tls_begin(struct probe_socket *mark)
{
	struct tls_stream fresh = {.mark = *mark};

	fresh.mark.next_seq = mark->stream & STREAM_BROKEN ? 1 : 0;
	bpf_map_update_elem(&tls_streams, &mark->conn_id, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tls_streams, &mark->conn_id);
}

/* Makes `ssl` of the current process the stream's SSL object. */
static __always_inline void tls_match(struct probe_socket *mark, struct tls_stream *stream, __u64 ssl)
{
	struct tls_session session = tls_session_of(ssl);
	__u64 *conn_id = bpf_map_lookup_elem(&tls_sessions, &session);

	if (conn_id && *conn_id == mark->conn_id && !stream->forgotten)
		return;
	if (stream->session.ssl) /* it had another object, or that was forgotten: what was still in it is not known */
		tls_hole(stream);
	stream->session = session;
	stream->forgotten = 0;
	if (bpf_map_update_elem(&tls_sessions, &session, &mark->conn_id, BPF_ANY)) /* the map is full */
		tls_hole(stream);
}

/* The current thread has taken `len` bytes of ciphertext from `seq` on off a sampled socket. */
static __always_inline void tls_taken(struct probe_socket *mark, const struct tcp_sock *tcp, __u32 seq, __u32 len)
{
	struct tls_call *call = bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), 0, 0);
	struct tls_stream *stream;
	bool first;

	if (!call || !call->ssl)
		return;
	stream = bpf_map_lookup_elem(&tls_streams, &mark->conn_id);
	first = !stream; /* what came before it (a PROXY header, STARTTLS) is not TLS and not missed */
	if (!stream)
		stream = tls_begin(mark);
	if (!stream) { /* the map is full */
		__sync_fetch_and_or(&mark->stream, STREAM_BROKEN);
		return;
	}
	if (!first && (__s32)(seq - mark->next_seq) > 0)
		tls_hole(stream);
	if (first || (__s32)(seq + len - mark->next_seq) > 0)
		mark->next_seq = seq + len;
	if (call->conn_id != mark->conn_id)
		stream->ts_ns = arrived_at(mark, tcp);
	call->conn_id = mark->conn_id;
	if (mark->write_seq != tcp->write_seq)
		stream->after_send = 1;
	mark->write_seq = tcp->write_seq;
	tls_match(mark, stream, call->ssl);
}

/* The connection has closed, the service having taken the bytes before `taken`. Leaves in the mark what its TAP_CLOSE is to
 * say: the plaintext's end, and whether it is broken. */
static __always_inline void tls_closed(struct probe_socket *mark, __u32 taken)
{
	struct tls_stream *stream = bpf_map_lookup_elem(&tls_streams, &mark->conn_id);
	bool unseen = (__s32)(taken - mark->next_seq) > 0;

	mark->next_seq = 0;
	if (stream) {
		__u64 *conn_id = bpf_map_lookup_elem(&tls_sessions, &stream->session);

		if (conn_id && *conn_id == mark->conn_id)
			bpf_map_delete_elem(&tls_sessions, &stream->session);
		mark->next_seq = stream->mark.next_seq;
		mark->flags = stream->mark.flags;
		mark->stream = stream->mark.stream;
		bpf_map_delete_elem(&tls_streams, &mark->conn_id);
	}
	if (unseen) {
		__sync_fetch_and_or(&mark->stream, STREAM_BROKEN);
		count(mark, PROBE_TLS_UNSEEN, 1);
	}
}
