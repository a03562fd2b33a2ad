#pragma once
/* Records in the ring: room, headers, payload from wherever the bytes are. All hooks of one socket run under its lock, or
 * one after the other in the thread that reads it, so its mark needs no lock of its own. Every function that loses
 * something counts it and marks the hole: the next record says so. */
#include "lib/socket.bpf.h"

/* Set by the agent before loading. */
const volatile __u32 ring_bytes = 0;
const volatile __u32 wake_bytes = 0; /* the reader is woken each time that this much more waits in the ring */
const volatile __u32 hot_wake_bytes = 0; /* the same of the hot ring */

enum tap_source {
	FROM_PACKET,     /* while the service reads it */
	FROM_ARRIVAL,    /* as it arrives, in a program of its type */
	FROM_USER_MEMORY,
	FROM_TLS,        /* user memory too, that a TLS library has just written: of the mark of a tls_stream */
};

/* A counter that is not the first in its eight bytes: the verifier follows the value of one that is, in a bpf_loop() through
 * all of its values, until it gives up (6.18: "sequence of 8193 jumps is too complex"). To go when it widens
 * what is on the stack. */
struct unfollowed {
	__u32 pad;
	__u32 value;
};

/* Bytes that the service has read, as they are cut into records. */
struct tap_cut {
	struct bpf_dynptr packet;
	struct __sk_buff *arrival;
	struct probe_socket *mark;
	__u64 ts_ns;
	__u64 from; /* the next byte to copy: offset in the packet, or address */
	struct unfollowed left;
	__u32 seq; /* of the next byte, FROM_ARRIVAL; else that is the mark's next_seq */
	__u32 after_send; /* the service has sent since it took the byte before */
};

/* Where a record is, and what is to become of it. */
struct reserved {
	struct tap_record *record;
	__u64 wake;
};

/* A wake-up costs the service more than the copy (an IPI, often a context switch): the reader polls, and is woken each time that
 * `step` bytes (a power of two) more wait. */
static __always_inline __u64 wake_after(__u64 waiting, __u32 size, __u64 step)
{
	return (waiting ^ (waiting + size)) & ~(step - 1) ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Room for a record of `size` bytes, a compile-time constant. Returns false if there is none. The hot ring is small enough to
 * stay in the processor's cache, where writing a record costs a fraction of what it does in memory last used a ring ago. What
 * finds no room there goes to the large ring, and so does all else until the reader has emptied that: nothing in the large ring
 * is older than what is in the hot one. That is read off the ring's own positions, which move with the records: a counter beside
 * them is for a moment behind, in which a record could overtake the one before it. */
static __always_inline bool reserve(struct reserved *to, const __u32 size, bool data)
{
	__u64 waiting = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	if (!waiting) {
		__u64 hot = bpf_ringbuf_query(&hot_ring, BPF_RB_AVAIL_DATA);

		to->record = bpf_ringbuf_reserve(&hot_ring, size, 0);
		/* No record is to be compared with null twice: the verifier of Linux 6.1 would follow it as null, too. */
		if (to->record) {
			to->wake = wake_after(hot, size, hot_wake_bytes);
			return true;
		}
	}
	/* Data may fill seven eighths of the ring. The rest is for TAP_OPEN and TAP_CLOSE, without which a broken stream
	 * could not be reported. */
	if (data && waiting >= ring_bytes - ring_bytes / 8)
		return false;
	to->record = bpf_ringbuf_reserve(&ring, size, 0);
	if (!to->record)
		return false;
	to->wake = wake_after(waiting, size, wake_bytes);
	return true;
}

/* A stream with a hole goes on when half of the ring is free, so that it does not have one hole after the other. */
static __always_inline bool room_to_resume(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < ring_bytes / 2;
}

/* `n` bytes, behind those of the last record, will not be in any. */
static __always_inline void leave_hole(struct probe_socket *mark, enum probe_counter cause, __u32 n)
{
	if (!(__sync_fetch_and_or(&mark->stream, STREAM_BROKEN) & STREAM_BROKEN))
		count(mark, PROBE_HOLES, 1);
	__sync_fetch_and_and(&mark->stream, ~STREAM_PAUSED); /* a hole is told, whatever else was left out */
	count(mark, cause, n);
}

/* The same of those from next_seq on. */
static __always_inline void lose(struct probe_socket *mark, enum probe_counter cause, __u32 n)
{
	leave_hole(mark, cause, n);
	mark->next_seq += n;
}

/* The service has taken the `n` bytes from next_seq on in a way that the tap does not see. */
static __always_inline void lose_past_tap(struct probe_socket *mark, __u32 n)
{
	count(mark, PROBE_BYTES, n);
	lose(mark, PROBE_UNREADABLE, n);
	tell_past_tap(mark->slot, PAST_TAP_BYTES);
}

/* Whether the service has sent since it took the byte before `seq`, from which on it has just read. `gap`: it has taken bytes
 * before those that nobody saw, so that of a send it is not known when it was, unless its exchange was measured. */
static __always_inline bool sent_before(struct probe_socket *mark, const struct tcp_sock *tcp, __u32 seq, bool gap)
{
	bool sent = mark->write_seq != tcp->write_seq;

	mark->write_seq = tcp->write_seq;
	return (sent && !gap) || mark->sent_seq == seq;
}

/* Whether bytes at hand are passed over, as their session is paused. A pause begins and ends for a connection where the service
 * reads on after it has sent, which is `after_send`, so that no message is cut where each is answered before the next. */
static __always_inline bool is_passed_over(const struct probe_socket *mark, const struct probe_control *control,
					   bool after_send)
{
	if (mark->stream & STREAM_PAUSED)
		return control->flags & CONTROL_PAUSED || !after_send;
	return control->flags & CONTROL_PAUSED && after_send && mark->stream & STREAM_BEGUN;
}

/* `n` bytes are passed over. */
static __always_inline void note_passed_over(struct probe_socket *mark, __u32 n)
{
	__sync_fetch_and_or(&mark->stream, STREAM_PAUSED);
	count(mark, PROBE_PAUSED, n);
}

/* The same of the `len` bytes from next_seq on, if they are. */
static __always_inline bool passes_over(struct probe_socket *mark, const struct probe_control *control, bool after_send,
					__u32 len)
{
	if (!is_passed_over(mark, control, after_send))
		return false;
	note_passed_over(mark, len);
	mark->next_seq += len;
	return true;
}

/* The flags of a record of bytes, which tell what the stream has to, once. */
static __always_inline __u32 tell_stream(struct probe_socket *mark)
{
	__u32 told = mark->stream;

	if (told & (STREAM_BROKEN | STREAM_PAUSED))
		told = __sync_fetch_and_and(&mark->stream, ~(STREAM_BROKEN | STREAM_PAUSED));
	if (!(told & STREAM_BEGUN))
		__sync_fetch_and_or(&mark->stream, STREAM_BEGUN);
	return (told & STREAM_BROKEN ? TAP_HOLE : 0) | (told & STREAM_PAUSED ? TAP_PAUSED : 0);
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
	struct tap_record *record;
	struct reserved to;

	if (!reserve(&to, sizeof(*record), false)) {
		count(mark, PROBE_RING_FULL, 1);
		return false;
	}
	record = to.record;
	fill_header(record, mark, type, bpf_ktime_get_ns());
	record->flags = flags;
	bpf_ringbuf_submit(to.record, to.wake);
	count(mark, PROBE_RECORDS, 1);
	return true;
}

static __always_inline long copy_out(struct tap_cut *cut, void *to, __u64 n, const enum tap_source source)
{
	if (source == FROM_PACKET)
		return bpf_dynptr_read(to, n, &cut->packet, cut->from, 0);
	if (source == FROM_ARRIVAL)
		return bpf_skb_load_bytes(cut->arrival, cut->from, to, n);
	return bpf_probe_read_user(to, n, (const void *)cut->from);
}

/* The rest of a cut is lost. */
static __always_inline void lose_cut(struct tap_cut *cut, enum probe_counter cause, const enum tap_source source)
{
	if (source == FROM_ARRIVAL)
		leave_hole(cut->mark, cause, cut->left.value);
	else
		lose(cut->mark, cause, cut->left.value);
	cut->left.value = 0;
}

/* Copies `n` bytes, at most `capacity` (a compile-time constant), into a record of that class. On loss the cut ends. A packet
 * may arrive on two processors at once: of the mark, what is FROM_ARRIVAL changes only `stream`. */
static __always_inline void emit_data(struct tap_cut *cut, __u64 n, const __u32 capacity, const enum tap_source source)
{
	struct probe_socket *mark = cut->mark;
	struct tap_record *record;
	struct reserved to;

	if (!reserve(&to, sizeof(*record) + capacity, true)) {
		count(mark, PROBE_RING_FULL, 1);
		lose_cut(cut, PROBE_RING_FULL_BYTES, source);
		return;
	}
	record = to.record;
	n = size_within(n, capacity);
	if (copy_out(cut, record + 1, n, source)) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		lose_cut(cut, PROBE_UNREADABLE, source);
		return;
	}
	fill_header(record, mark, TAP_DATA, cut->ts_ns);
	if (source == FROM_ARRIVAL)
		record->seq = cut->seq;
	if (cut->after_send)
		record->flags |= TAP_AFTER_SEND;
	cut->after_send = false;
	record->flags |= tell_stream(mark);
	if (source == FROM_ARRIVAL)
		record->flags |= TAP_PACKET;
	if (source == FROM_TLS)
		record->flags |= TAP_PLAINTEXT;
	record->len = n;
	bpf_ringbuf_submit(to.record, to.wake);
	count(mark, PROBE_RECORDS, 1);
	if (source == FROM_ARRIVAL) {
		cut->seq += n;
	} else {
		mark->next_seq += n;
	}
	cut->from += n;
	cut->left.value -= n;
}

/* Calls `emit` for the next `n` bytes of a cut, or as many of them as a record takes, with the capacity of their record's class,
 * which has to be a compile-time constant. */
#define EMIT_CHUNK(emit, cut, n, source)                                                                              \
	do {                                                                                                          \
		__u64 bytes = (n);                                                                                    \
		if (bytes <= PROBE_SMALL_CHUNK)                                                                       \
			emit(cut, bytes, PROBE_SMALL_CHUNK, source);                                                  \
		else if (bytes <= PROBE_MEDIUM_CHUNK)                                                                 \
			emit(cut, bytes, PROBE_MEDIUM_CHUNK, source);                                                 \
		else                                                                                                  \
			emit(cut, bytes <= PROBE_LARGE_CHUNK ? bytes : PROBE_LARGE_CHUNK, PROBE_LARGE_CHUNK, source); \
	} while (0)

static __always_inline void emit_chunk(struct tap_cut *cut, __u64 n, const enum tap_source source)
{
	EMIT_CHUNK(emit_data, cut, n, source);
}
