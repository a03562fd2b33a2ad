#pragma once
/* Capture from packets as they arrive, for services that take bytes without having them copied (splice, sendfile, zero-copy
 * receive). This is before TCP has put them in order, and before the socket is locked: a record has its packet's place in the
 * stream, and the reader sorts. */
#include "lib/payload.bpf.h"
#include "lib/tap.bpf.h"

static long next_arrival_chunk(__u64 index, struct tap_cut *cut)
{
	emit_chunk(cut, cut->left.value, FROM_ARRIVAL);
	return cut->left.value == 0;
}

/* Moves next_seq on to `end`, if that is further. Returns by how much. */
static __always_inline __u32 move_on(struct probe_socket *mark, __u32 end)
{
	for (int tries = 0; tries < 8; tries++) {
		__u32 furthest = mark->next_seq;

		if ((__s32)(end - furthest) <= 0)
			return 0;
		if (__sync_val_compare_and_swap(&mark->next_seq, furthest, end) == furthest)
			return end - furthest;
	}
	return 0;
}

/* Whether what the packet brings is passed over: see is_passed_over(). Nothing ahead of a packet that a pause begins or ends with
 * may have come already, as that was copied, or passed over. */
static __always_inline bool arrival_passed_over(const struct probe_socket *mark, const struct probe_control *control, __u32 seq)
{
	return is_passed_over(mark, control, mark->sent_seq == seq && mark->next_seq == seq);
}

/* A packet has arrived on a socket. Bytes count once: those that it brings beyond the furthest yet, and those between, which
 * are still to come. */
static __always_inline void tap_arrived(struct __sk_buff *packet, struct probe_socket *mark, const struct probe_control *control)
{
	struct packet_payload payload;
	struct tap_cut cut = {};
	bool skip, pass;
	__u32 beyond;

	if (!find_payload(packet, &payload))
		return;
	pass = arrival_passed_over(mark, control, payload.seq);
	skip = !pass && mark->stream & (STREAM_BROKEN | STREAM_UNTOLD) && !tap_resume(mark); /* which may announce next_seq */
	beyond = move_on(mark, payload.seq + payload.len);
	if (pass) {
		if (beyond)
			note_passed_over(mark, beyond);
		return;
	}
	if (beyond)
		count(mark, PROBE_BYTES, beyond);
	if (skip) {
		leave_hole(mark, PROBE_SKIPPED_BYTES, beyond);
		return;
	}
	cut.arrival = packet;
	cut.mark = mark;
	cut.ts_ns = bpf_ktime_get_ns();
	cut.from = payload.offset;
	cut.seq = payload.seq;
	cut.after_send = mark->sent_seq == payload.seq;
	cut.left.value = payload.len;
	bpf_loop(PACKET_MOST / PROBE_LARGE_CHUNK + 1, next_arrival_chunk, &cut, 0);
}
