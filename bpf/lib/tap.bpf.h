#pragma once
/* From a read of a sampled connection to records in the ring. All hooks of one socket run under its lock, so its mark needs
 * no lock of its own. Every function that loses something counts it and marks the hole: the next record says so. */
#include "lib/syscall.bpf.h"
#include "lib/socket.bpf.h"
#include "lib/tls_match.bpf.h"

/* Set by the agent before loading. */
const volatile __u32 ring_bytes = 0;
const volatile __u32 wake_bytes = 0; /* ring fill beyond which the reader is woken */

/* In tp_btf programs: there in Linux 6.12, not in 6.1. */
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym __weak;

/* Since Linux 6.2: reads fields through a pointer that the verifier knows as another type, at no cost. */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;
#define CAST(type, object) ((type *)bpf_rdonly_cast(object, bpf_core_type_id_kernel(type)))

/* One read of one packet, as it is cut into records. */
struct tap_cut {
	struct bpf_dynptr packet;
	struct probe_socket *mark;
	__u64 ts_ns;
	__u32 offset; /* in the packet, of the next byte to copy */
	__u32 left;
};

/* A wake-up costs the service more than the copy (an IPI, often a context switch): below the threshold the reader polls. */
static __always_inline __u64 wake_flag(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > wake_bytes ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Data may fill seven eighths of the ring. The rest is for TAP_OPEN and TAP_CLOSE, without which a broken stream could
 * not be reported. */
static __always_inline bool room_for_data(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < ring_bytes - ring_bytes / 8;
}

/* A stream with a hole goes on when half of the ring is free, so that it does not have one hole after the other. */
static __always_inline bool room_to_resume(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < ring_bytes / 2;
}

/* `n` bytes from next_seq on will not be in any record. */
static __always_inline void lose(struct probe_socket *mark, enum probe_counter cause, __u32 n)
{
	if (!(mark->flags & SOCKET_BROKEN))
		count(mark, PROBE_HOLES, 1);
	mark->flags |= SOCKET_BROKEN;
	count(mark, cause, n);
	mark->next_seq += n;
}

/* The service has taken the `n` bytes from next_seq on in a way that the tap does not see. */
static __always_inline void lose_past_tap(struct probe_socket *mark, __u32 n)
{
	count(mark, PROBE_BYTES, n);
	lose(mark, PROBE_UNREADABLE, n);
	tell_past_tap(mark->slot);
}

static __always_inline void fill_header(struct tap_record *record, const struct probe_socket *mark, __u32 type,
					__u64 ts_ns)
{
	record->ts_ns = ts_ns;
	record->conn_id = mark->conn_id;
	record->type = type;
	record->flags = 0;
	record->slot = mark->slot;
	record->seq = mark->next_seq;
	record->len = 0;
	record->generation = mark->generation;
	record->pad[0] = 0;
	record->pad[1] = 0;
}

/* A TAP_OPEN or TAP_CLOSE at the mark's position. Returns false, having counted it, if the ring was full. */
static __always_inline bool emit_event(struct probe_socket *mark, __u32 type, __u32 flags)
{
	struct tap_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);

	if (!record) {
		count(mark, PROBE_RING_FULL, 1);
		return false;
	}
	fill_header(record, mark, type, bpf_ktime_get_ns());
	record->flags = flags;
	bpf_ringbuf_submit(record, wake_flag());
	count(mark, PROBE_RECORDS, 1);
	return true;
}

/* Copies `n` bytes, at most `capacity` (a compile-time constant), into a record of that class. On loss the cut ends. */
static __always_inline void emit_data(struct tap_cut *cut, __u64 n, const __u32 capacity)
{
	struct probe_socket *mark = cut->mark;
	struct tap_record *record = NULL;

	if (room_for_data())
		record = bpf_ringbuf_reserve(&ring, sizeof(*record) + capacity, 0);
	if (!record) {
		count(mark, PROBE_RING_FULL, 1);
		lose(mark, PROBE_RING_FULL_BYTES, cut->left);
		cut->left = 0;
		return;
	}
	/* The read's size must be seen to be in [1, capacity], on the very register that is passed. clang proves the bounds
	 * itself and removes a second check, or keeps it on a copy of the register; the verifier (all kernels) then sees an
	 * unbounded size. The empty asm makes `n` opaque to clang, so that the checks stay. To go with bpf_assert() (clang 18). */
	asm volatile("" : "+r"(n));
	if (n > capacity)
		n = capacity;
	asm volatile("" : "+r"(n));
	if (n == 0)
		n = 1;
	if (bpf_dynptr_read(record + 1, n, &cut->packet, cut->offset, 0)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		lose(mark, PROBE_UNREADABLE, cut->left);
		cut->left = 0;
		return;
	}
	fill_header(record, mark, TAP_DATA, cut->ts_ns);
	if (mark->sends && mark->sent_seq == mark->next_seq)
		record->flags |= TAP_AFTER_SEND;
	if (mark->flags & SOCKET_BROKEN)
		record->flags |= TAP_HOLE;
	mark->flags &= ~SOCKET_BROKEN;
	record->len = n;
	bpf_ringbuf_submit(record, wake_flag());
	count(mark, PROBE_RECORDS, 1);
	mark->sends = 0;
	mark->next_seq += n;
	cut->offset += n;
	cut->left -= n;
}

static __always_inline void emit_chunk(struct tap_cut *cut)
{
	if (cut->left <= PROBE_SMALL_CHUNK)
		emit_data(cut, cut->left, PROBE_SMALL_CHUNK);
	else if (cut->left <= PROBE_MEDIUM_CHUNK)
		emit_data(cut, cut->left, PROBE_MEDIUM_CHUNK);
	else
		emit_data(cut, cut->left <= PROBE_LARGE_CHUNK ? cut->left : PROBE_LARGE_CHUNK, PROBE_LARGE_CHUNK);
}

static long next_chunk(__u64 index, struct tap_cut *cut)
{
	emit_chunk(cut);
	return cut->left == 0;
}

/* Announces the stream, which starts at next_seq. Returns false if there is no room; tap_resume() tries again. */
static __always_inline bool announce(struct probe_socket *mark)
{
	if (!emit_event(mark, TAP_OPEN, mark->flags & SOCKET_JOINED ? TAP_JOIN : 0)) {
		mark->flags |= SOCKET_UNTOLD | SOCKET_JOINED;
		return false;
	}
	mark->flags &= ~(SOCKET_UNTOLD | SOCKET_BROKEN);
	return true;
}

/* Whether bytes from next_seq on can be copied again after a loss. */
static __always_inline bool tap_resume(struct probe_socket *mark)
{
	if (!room_to_resume())
		return false;
	return !(mark->flags & SOCKET_UNTOLD) || announce(mark);
}

/* Begins the stream of a sampled connection, whose conn_id is set, with `position`: its first byte not yet taken. */
static __always_inline void tap_open(struct probe_socket *mark, const struct probe_control *control, __u32 position)
{
	mark->flags |= SOCKET_OPENED;
	if (control->flags & CONTROL_TLS)
		mark->flags |= SOCKET_TLS;
	mark->next_seq = mark->flags & SOCKET_TLS ? 0 : position; /* a stream of plaintext starts at 0 */
	count(mark, PROBE_SAMPLED, 1);
	announce(mark);
	mark->next_seq = position;
}

/* Copies what is new in a read of `len` bytes from sequence number `seq` on, which lie at `offset` in the packet. */
static __always_inline void tap_bytes(struct probe_socket *mark, struct sk_buff *packet, __u32 offset, __u32 seq, __u32 len)
{
	struct tap_cut cut;
	__s32 ahead = seq - mark->next_seq; /* > 0: bytes went past the tap; < 0: seen already, by a peek */

	if (ahead < 0) {
		__u32 seen = -ahead;

		if (seen >= len) {
			count(mark, PROBE_PEEKED, 1);
			return;
		}
		offset += seen;
		len -= seen;
	}
	if (ahead > 0)
		lose_past_tap(mark, ahead);
	count(mark, PROBE_BYTES, len);
	if (mark->flags & (SOCKET_BROKEN | SOCKET_UNTOLD) && !tap_resume(mark)) {
		lose(mark, PROBE_SKIPPED_BYTES, len);
		return;
	}
	if (bpf_dynptr_from_skb((struct __sk_buff *)packet, 0, &cut.packet)) {
		lose(mark, PROBE_UNREADABLE, len);
		return;
	}
	cut.mark = mark;
	cut.ts_ns = mark->request_ns ? mark->request_ns : bpf_ktime_get_ns();
	cut.offset = offset;
	cut.left = len;
	if (len <= PROBE_LARGE_CHUNK)
		emit_chunk(&cut);
	else
		bpf_loop(len / PROBE_LARGE_CHUNK + 1, next_chunk, &cut, 0);
}

/* Once for each accepted connection: takes the listener's mark off, throws the dice. */
static __always_inline void tap_established(struct sock *sk, struct tcp_sock *tcp, struct probe_socket *mark,
					    const struct probe_control *control)
{
	mark->flags &= ~SOCKET_LISTENER;
	mark->flags |= SOCKET_DICED;
	count(mark, PROBE_CONNECTIONS, 1);
	if (bytes_waiting(sk, tcp)) /* TCP Fast Open: the request came with the SYN */
		mark->request_ns = bpf_ktime_get_ns();
	if (bpf_get_prandom_u32() >= control->sample_threshold)
		return;
	mark->flags |= SOCKET_SAMPLED;
	mark->conn_id = bpf_get_socket_cookie(sk);
	tap_open(mark, control, tcp->copied_seq);
}

static __always_inline void tap_closed(struct sock *sk, struct tcp_sock *tcp, struct probe_socket *mark)
{
	__u32 taken = taken_to(sk, tcp);

	if (mark->flags & SOCKET_TLS) {
		tls_closed(mark, taken);
		taken = mark->next_seq;
	} else if ((__s32)(taken - mark->next_seq) > 0) {
		lose_past_tap(mark, taken - mark->next_seq);
	}
	mark->next_seq = taken;
	emit_event(mark, TAP_CLOSE, mark->flags & (SOCKET_BROKEN | SOCKET_UNTOLD) ? TAP_BROKEN : 0);
	mark->flags &= ~SOCKET_SAMPLED; /* what is still read after a reset is not captured: the stream's end was told */
}

/* How the current task takes bytes off the socket past the tap: one of the counters of PROBE_UNREADABLE's causes, or that
 * itself if it cannot be told. */
static __always_inline enum probe_counter cause_of_loss(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = call_registers(task);
	__u32 fd;

	if (!regs)
		return PROBE_UNREADABLE;
	fd = regs->orig_ax == CALL_SENDFILE ? regs->si : regs->di;
	if (!descriptor_is(task, fd, sk))
		return PROBE_UNREADABLE;
	switch (regs->orig_ax) {
	case CALL_SPLICE:
	case CALL_SENDFILE:
		return PROBE_SPLICED;
	case CALL_GETSOCKOPT:
		return PROBE_ZERO_COPIED;
	case CALL_RECVMSG:
		return regs->dx & MESSAGE_DISCARDED ? PROBE_DISCARDED : PROBE_UNREADABLE;
	case CALL_RECVFROM:
	case CALL_RECVMMSG:
		return regs->r10 & MESSAGE_DISCARDED ? PROBE_DISCARDED : PROBE_UNREADABLE;
	}
	return PROBE_UNREADABLE;
}

/* Bytes were just taken off a sampled connection, by whatever means, and the tap has seen those that it can see. */
static __always_inline void tap_explain(struct sock *sk, struct tcp_sock *tcp, struct probe_socket *mark)
{
	__s32 ahead = taken_to(sk, tcp) - mark->next_seq;
	enum probe_counter cause;

	if (ahead <= 0)
		return;
	lose_past_tap(mark, ahead);
	cause = cause_of_loss(sk);
	if (cause != PROBE_UNREADABLE)
		count(mark, cause, ahead);
}
