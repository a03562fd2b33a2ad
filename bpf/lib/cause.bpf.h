#pragma once
/* Why bytes went past the tap. */
#include "lib/record.bpf.h"
#include "lib/syscall.bpf.h"

/* Set by the agent before loading: the tap sees a read only when it is over, after this. */
const volatile bool tap_is_later = false;

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
static __always_inline void tap_explain(struct sock *sk, struct tcp_sock *tcp, struct probe_socket *mark,
					const struct probe_control *control)
{
	__s32 ahead = taken_to(sk, tcp) - mark->next_seq;
	enum probe_counter cause;

	if (ahead <= 0)
		return;
	cause = cause_of_loss(sk);
	if (tap_is_later && cause != PROBE_SPLICED && cause != PROBE_ZERO_COPIED)
		return;
	lose_past_tap(mark, ahead);
	if (cause != PROBE_UNREADABLE)
		count(mark, cause, ahead);
	if (cause != PROBE_SPLICED && cause != PROBE_ZERO_COPIED)
		return;
	tell_past_tap(mark->slot, PAST_TAP_SPLICED);
	if (!(control->flags & CONTROL_PACKETS))
		return;
	/* What follows is captured as it arrives; what has arrived already is not. */
	lose_past_tap(mark, tcp->rcv_nxt - mark->next_seq - (fin_received(sk) ? 1 : 0));
	mark->flags |= SOCKET_PACKETS;
}
