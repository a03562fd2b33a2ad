#pragma once
/* The taps that find bytes in the service's own buffer, when its read is over. The socket's lock is free again by then:
 * another thread may have read meanwhile, and the bytes at hand lie before the socket's position by an unknown number. They
 * are taken only where all adds up: the position is that of the last read plus this one's length. */
#include "lib/glance.bpf.h"
#include "lib/syscall.bpf.h"
#include "lib/tap.bpf.h"

enum {
	RECEIVE_NOTHING_NEW = 0x2 | 0x1 | 0x2000, /* MSG_PEEK, MSG_OOB, MSG_ERRQUEUE */
	RECEIVE_SEGMENTS = 1024,                  /* UIO_MAXIOV */
	MOST_AT_ONCE = 0x7ffff000,                /* MAX_RW_COUNT */
};

/* A read that is over. */
struct user_cut {
	struct tap_cut cut;
	struct unfollowed in_segment; /* bytes from cut.from on that are in one piece */
	const struct iovec *segment; /* the one that follows */
	bool segments_of_user;       /* the array is in user memory */
	bool unknown;                /* where the bytes are is not known */
};

/* From an iterator's end backwards. */
struct walk_back {
	const struct iovec *segment;
	struct unfollowed offset; /* in it */
	struct unfollowed need;   /* bytes before that */
};

/* The mark of a sampled connection that `ret` bytes were read from, or null. */
static __always_inline struct probe_socket *received_on(struct sock *sk, int ret, int flags)
{
	struct probe_socket *mark;

	if (ret <= 0 || flags & RECEIVE_NOTHING_NEW || !may_be_sampled(sk))
		return NULL;
	mark = watched(sk);
	return mark && (mark->flags & (SOCKET_SAMPLED | SOCKET_PACKETS)) == SOCKET_SAMPLED ? mark : NULL;
}

/* Whether a read of `ret` bytes is one to glance at. */
static __always_inline bool glance_after(struct sock *sk, int ret, int flags)
{
	struct tcp_sock *tcp;

	if (ret <= 0 || flags & (RECEIVE_NOTHING_NEW | MESSAGE_DISCARDED) || !sk->sk_bpf_storage)
		return false;
	tcp = bpf_skc_to_tcp_sock(sk);
	return tcp && glance_due(sk, tcp);
}

/* At the first piece of it, if that is known. */
static __always_inline void glance_at_read(struct sock *sk, struct user_cut *read, __u32 len)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	unsigned char begin[MIX_BEGINNING] = {};
	struct probe_socket *mark;
	__u64 n = read->in_segment.value;

	if (read->unknown || !n || !tcp)
		return;
	mark = glance_begins(sk, tcp);
	if (!mark)
		return;
	n = size_within(n, MIX_BEGINNING);
	if (!bpf_probe_read_user(begin, n, (const void *)read->cut.from))
		glance(mark, tcp, begin, n, len + (tcp->rcv_nxt - tcp->copied_seq));
}

static __always_inline bool read_segment(struct iovec *segment, const struct iovec *from, bool of_user)
{
	return !(of_user ? bpf_probe_read_user(segment, sizeof(*segment), from) :
			   bpf_probe_read_kernel(segment, sizeof(*segment), from));
}

static long next_user_chunk(__u64 index, struct user_cut *read)
{
	__u32 left = read->cut.left.value;
	__u64 n;

	if (!read->in_segment.value) {
		struct iovec segment;

		if (!read->segment || !read_segment(&segment, read->segment, read->segments_of_user))
			return 1;
		read->segment++;
		read->cut.from = (__u64)segment.iov_base;
		read->in_segment.value = segment.iov_len < left ? segment.iov_len : left;
	}
	n = read->in_segment.value < left ? read->in_segment.value : left;
	if (n) {
		emit_chunk(&read->cut, n, FROM_USER_MEMORY);
		read->in_segment.value -= left - read->cut.left.value;
	}
	return read->cut.left.value == 0;
}

/* Whether the `len` bytes that were just read are those from next_seq on. If not, all that was taken so far is lost, and so is
 * what follows: of two threads that read one connection it cannot be told whose bytes come first. */
static __always_inline bool adds_up(struct probe_socket *mark, __u32 taken, __u32 len)
{
	if (taken - len == mark->next_seq && !(mark->flags & SOCKET_UNSURE))
		return true;
	if ((__s32)(taken - mark->next_seq) > 0) {
		mark->flags |= SOCKET_UNSURE;
		lose_past_tap(mark, taken - mark->next_seq);
	}
	return false;
}

static __always_inline void lose_read(struct probe_socket *mark, enum probe_counter cause, __u32 len)
{
	count(mark, PROBE_BYTES, len);
	lose(mark, PROBE_UNREADABLE, len);
	count(mark, cause, len);
}

/* A read of `len` bytes from a sampled connection is over. */
static __always_inline void tap_received(struct sock *sk, struct probe_socket *mark, struct user_cut *read, __u32 len,
					 int flags)
{
	struct probe_control *control = live_control(mark);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u32 taken;

	if (!control || !tcp)
		return;
	taken = taken_to(sk, tcp);
	if (!(mark->flags & SOCKET_OPENED)) /* marked by the agent while it was open */
		tap_open(mark, tcp, control, taken - len);
	if (mark->flags & SOCKET_TLS) {
		tls_taken(mark, tcp, taken - len, len);
		return;
	}
	if (!adds_up(mark, taken, len))
		return;
	read->cut.after_send = sent_before(mark, tcp, mark->next_seq, false);
	if (flags & MESSAGE_DISCARDED) {
		lose_read(mark, PROBE_DISCARDED, len);
		return;
	}
	if (read->unknown) {
		lose_read(mark, PROBE_OTHER_CALL, len);
		return;
	}
	if (!tap_may_copy(mark, control, read->cut.after_send, len))
		return;
	read->cut.mark = mark;
	read->cut.ts_ns = arrived_at(mark, tcp);
	read->cut.left.value = len;
	bpf_loop(len / PROBE_LARGE_CHUNK + 2 * RECEIVE_SEGMENTS, next_user_chunk, read, 0);
	if (read->cut.left.value)
		lose(mark, PROBE_UNREADABLE, read->cut.left.value);
}

static long previous_segment(__u64 index, struct walk_back *walk)
{
	struct iovec segment;

	if (walk->offset.value >= walk->need.value)
		return 1;
	walk->need.value -= walk->offset.value;
	walk->segment--;
	if (!read_segment(&segment, walk->segment, false))
		return 1;
	walk->offset.value = segment.iov_len < MOST_AT_ONCE ? segment.iov_len : MOST_AT_ONCE;
	return 0;
}

/* Where the last `len` bytes that went through an iterator are. Returns false for one that is not over user memory. */
static __always_inline bool buffer_of_iterator(struct user_cut *read, struct iov_iter *iterator, __u32 len)
{
	struct walk_back walk = {.offset.value = iterator->iov_offset, .need.value = len};
	struct iovec segment;
	__u64 begin;

	if (iterator->iter_type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		read->cut.from = buffer_at(iterator) + iterator->iov_offset - len;
		read->in_segment.value = len;
		return true;
	}
	if (iterator->iter_type != bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return false;
	walk.segment = segments_of(iterator);
	bpf_loop(RECEIVE_SEGMENTS, previous_segment, &walk, 0);
	if (walk.offset.value < walk.need.value || !read_segment(&segment, walk.segment, false))
		return false;
	begin = walk.offset.value - walk.need.value;
	read->cut.from = (__u64)segment.iov_base + begin;
	read->in_segment.value = segment.iov_len - begin < len ? segment.iov_len - begin : len;
	read->segment = walk.segment + 1;
	return true;
}

/* Where the system call under way has put `len` bytes. Returns false if it is not known, or not on this socket: io_uring,
 * recvmmsg(), 32-bit programs. */
static __always_inline bool buffer_of_call(struct user_cut *read, struct sock *sk, __u32 len)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = call_registers(task);

	if (!regs || !descriptor_is(task, regs->di, sk))
		return false;
	read->segments_of_user = true;
	switch (regs->orig_ax) {
	case CALL_READ:
	case CALL_RECVFROM:
		read->cut.from = regs->si;
		read->in_segment.value = len;
		return true;
	case CALL_READV:
		read->segment = (const struct iovec *)regs->si;
		return true;
	case CALL_RECVMSG: /* struct user_msghdr: the array's address is its third word */
		return !bpf_probe_read_user(&read->segment, sizeof(read->segment), (const void *)(regs->si + 16));
	}
	return false;
}
