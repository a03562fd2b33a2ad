/* Uprobes on a dynamically linked OpenSSL (libssl). Each program is attached to the functions its comment names, in every
 * process that maps the library; the calling thread's socket is found by the tap (lib/tls_match.bpf.h). Writes are probed only
 * while responses are asked for. Else a renegotiation that SSL_write drives takes ciphertext outside, which is found and counted. */
#define PROBE_MAPS_HERE /* replaced by the tap's before loading */
#include "lib/tls.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* int SSL_read(SSL *, void *, int) */
SEC("uprobe")
int tls_read(struct pt_regs___x86 *ctx)
{
	struct tls_call *call = tls_enter(ctx, ctx->di, TLS_READS);

	if (call)
		call->buffer = ctx->si;
	return 0;
}

/* int SSL_read_ex(SSL *, void *, size_t, size_t *), SSL_read_early_data: alike */
SEC("uprobe")
int tls_read_ex(struct pt_regs___x86 *ctx)
{
	struct tls_call *call = tls_enter(ctx, ctx->di, TLS_READS);

	if (call) {
		call->buffer = ctx->si;
		call->size_at = ctx->cx;
	}
	return 0;
}

/* int SSL_write(SSL *, const void *, int) */
SEC("uprobe")
int tls_write(struct pt_regs___x86 *ctx)
{
	struct tls_call *call = tls_enter(ctx, ctx->di, TLS_WRITES);

	if (call)
		call->buffer = ctx->si;
	return 0;
}

/* int SSL_write_ex(SSL *, const void *, size_t, size_t *), SSL_write_early_data: alike */
SEC("uprobe")
int tls_write_ex(struct pt_regs___x86 *ctx)
{
	struct tls_call *call = tls_enter(ctx, ctx->di, TLS_WRITES);

	if (call) {
		call->buffer = ctx->si;
		call->size_at = ctx->cx;
	}
	return 0;
}

/* ossl_ssize_t SSL_sendfile(SSL *, int, off_t, size_t, int) */
SEC("uprobe")
int tls_sendfile(struct pt_regs___x86 *ctx)
{
	tls_enter(ctx, ctx->di, TLS_WRITES_FILE);
	return 0;
}

/* int SSL_shutdown(SSL *) */
SEC("uprobe")
int tls_shutdown(struct pt_regs___x86 *ctx)
{
	tls_enter(ctx, ctx->di, TLS_NOTHING);
	tls_ended(ctx->di);
	return 0;
}

/* SSL_do_handshake, SSL_accept, SSL_peek, SSL_peek_ex: these receive and hand out nothing new. */
SEC("uprobe")
int tls_other(struct pt_regs___x86 *ctx)
{
	tls_enter(ctx, ctx->di, TLS_NOTHING);
	return 0;
}

/* The return of all of them. 1 is success for those with a size pointer; SSL_read_early_data's 2 ends the early data, with
 * nothing read. */
SEC("uretprobe")
int tls_return(struct pt_regs___x86 *ctx)
{
	struct tls_call *call = tls_leave(ctx);
	int result = ctx->ax;
	__u64 ssl, size = result;

	if (!call)
		return 0;
	ssl = call->ssl;
	call->ssl = 0;
	if (call->does == TLS_NOTHING || result <= 0)
		return 0;
	if (call->size_at && (result != 1 || bpf_probe_read_user(&size, sizeof(size), (const void *)call->size_at))) {
		if (result == 1)
			tls_lost(ssl);
		return 0;
	}
	if (!size)
		return 0;
	if (call->does == TLS_READS)
		tls_plaintext(ssl, call->buffer, size);
	else
		tls_written(ssl, call->buffer, size);
	return 0;
}

/* SSL_free, SSL_clear */
SEC("uprobe")
int tls_free(struct pt_regs___x86 *ctx)
{
	tls_forget(ctx->di);
	return 0;
}
