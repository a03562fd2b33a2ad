#pragma once
/* The uprobes' half of TLS capture: from the return of a TLS library's read to plaintext records in the ring. */
#include "lib/tap.bpf.h"
#include "lib/tls_match.bpf.h"

/* x86-64's registers at a uprobe: arguments are in di, si, dx, cx, the result is in ax. */
struct pt_regs___x86 {
	unsigned long di, si, dx, cx, ax, sp;
} __attribute__((preserve_access_index));

/* The return address is off the stack again when a uretprobe fires. */
#define TLS_RETURN_ADDRESS_BYTES 8

/* What `ssl` decrypts can no longer be followed. */
static __always_inline void tls_lost(__u64 ssl)
{
	struct tls_session session = tls_session_of(ssl);
	struct tls_stream *stream = tls_stream_of(&session);

	if (stream)
		tls_hole(stream);
}

/* The current thread enters a TLS function on `ssl`. Returns null if that is nested in another call on it, as SSL_accept
 * calls SSL_do_handshake: the outer one stands for both. A call whose return was not seen (longjmp, a change of stacks) may
 * have decrypted something. */
static __always_inline struct tls_call *tls_enter(const struct pt_regs___x86 *ctx, __u64 ssl, const enum tls_does does)
{
	struct tls_call *call = bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), 0,
						     BPF_LOCAL_STORAGE_GET_F_CREATE);
	__u64 sp = ctx->sp;

	if (!call) {
		tls_lost(ssl);
		return NULL;
	}
	if (call->ssl) {
		if (call->ssl == ssl && sp < call->sp && does != TLS_READS)
			return NULL;
		tls_lost(call->ssl);
	}
	call->ssl = ssl;
	call->sp = sp;
	call->buffer = 0;
	call->size_at = 0;
	call->conn_id = 0;
	call->does = does;
	return call;
}

/* The call that the current thread returns from; null if that is nested in another, or was entered before the probe. */
static __always_inline struct tls_call *tls_leave(const struct pt_regs___x86 *ctx)
{
	struct tls_call *call = bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), 0, 0);

	if (!call || !call->ssl || ctx->sp != call->sp + TLS_RETURN_ADDRESS_BYTES)
		return NULL;
	return call;
}

static long tls_next_chunk(__u64 index, struct tap_cut *cut)
{
	emit_chunk(cut, cut->left.value, FROM_TLS);
	return cut->left.value == 0;
}

/* The current thread's read on `ssl` has put `len` bytes at `buffer`. Nothing is done for SSL objects that are matched to no
 * sampled connection: the service's connections as a client, say. */
static __always_inline void tls_plaintext(__u64 ssl, __u64 buffer, __u32 len)
{
	struct tls_session session = tls_session_of(ssl);
	struct tls_stream *stream = tls_stream_of(&session);
	struct probe_control *control;
	struct tap_cut cut = {};

	if (!stream)
		return;
	control = live_control(&stream->mark);
	if (!control)
		return;
	if (stream->forgotten) { /* another object at the same address, or one that had a second reference */
		tls_hole(stream);
		return;
	}
	if (stream->severed) {
		count(&stream->mark, PROBE_BYTES, len);
		lose(&stream->mark, PROBE_SKIPPED_BYTES, len);
		return;
	}
	if (!tap_may_copy(&stream->mark, control, stream->after_send, len)) {
		stream->after_send = 0;
		return;
	}
	cut.mark = &stream->mark;
	cut.ts_ns = stream->ts_ns;
	cut.from = buffer;
	cut.left.value = len;
	cut.after_send = stream->after_send;
	bpf_loop(len / PROBE_LARGE_CHUNK + 1, tls_next_chunk, &cut, 0);
	stream->after_send = cut.after_send;
}

/* `ssl` is freed, or cleared for another connection: an object that is later found at its address may be another one. */
static __always_inline void tls_forget(__u64 ssl)
{
	struct tls_session session = tls_session_of(ssl);
	struct tls_stream *stream = tls_stream_of(&session);

	if (stream)
		stream->forgotten = 1;
}

static long tls_next_written(__u64 index, struct response_cut *cut)
{
	emit_response_chunk(cut, cut->left.value, false);
	return cut->left.value == 0;
}

/* The current thread's write on `ssl` has taken `len` bytes from `buffer`, where they still are; 0: from a file. Writes and reads
 * of one SSL object follow one another, as it is not made for two threads at once: a response's records follow its request's. */
static __always_inline void tls_written(__u64 ssl, __u64 buffer, __u32 len)
{
	struct tls_session session = tls_session_of(ssl);
	struct tls_stream *stream = tls_stream_of(&session);
	struct response_cut cut = {};
	struct response_stream *response;
	struct response_wish *wish;
	__s32 n;

	if (!stream || stream->forgotten || stream->severed)
		return;
	wish = wish_for(&stream->mark);
	if (!wish)
		return;
	response = &stream->response;
	if (stream->mark.stream & STREAM_PAUSED) {
		response->begun = 0;
		return;
	}
	if (!response->begun || response->taken != stream->mark.next_seq) {
		response->from = response->sent;
		response->taken = stream->mark.next_seq;
		response->begun = 1;
	}
	response->next = response->sent;
	response->sent += len;
	n = wanted_to(response, wish->bytes, response->sent);
	if (n <= 0)
		return;
	cut.mark = &stream->mark;
	cut.stream = response;
	cut.ts_ns = bpf_ktime_get_ns();
	cut.from = buffer;
	cut.left.value = n;
	if (!buffer)
		lose_response(&cut, RESPONSE_UNREADABLE);
	else if (room_to_resume()) /* requests come first */
		bpf_loop((__u32)n / PROBE_LARGE_CHUNK + 1, tls_next_written, &cut, 0);
	if (cut.left.value)
		lose_response(&cut, RESPONSE_LOST);
}

/* The service sends no more on `ssl`. */
static __always_inline void tls_ended(__u64 ssl)
{
	struct tls_session session = tls_session_of(ssl);
	struct tls_stream *stream = tls_stream_of(&session);

	if (!stream || stream->forgotten || stream->severed || !stream->response.begun || stream->response.ending)
		return;
	stream->response.ending = 1;
	emit_response_end(&stream->mark, &stream->response, stream->response.sent, bpf_ktime_get_ns());
}
