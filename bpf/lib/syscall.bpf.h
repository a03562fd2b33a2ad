#pragma once
/* The system call in which the current task is, as far as it can be trusted: task work (io_uring's) and softirqs run under
 * system calls that have nothing to do with the socket at hand. x86-64. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

enum {
	CALL_READ = 0,
	CALL_READV = 19,
	CALL_SENDFILE = 40,
	CALL_RECVFROM = 45,
	CALL_RECVMSG = 47,
	CALL_GETSOCKOPT = 55,
	CALL_SPLICE = 275,
	CALL_RECVMMSG = 299,

	USER_CODE_64 = 0x33,       /* code segment of a 64-bit program; others number their calls differently */
	CALL_UNDER_WAY = -38,      /* what the result's register holds until the call returns: -ENOSYS */
	MESSAGE_DISCARDED = 0x20,  /* MSG_TRUNC */
	MESSAGE_KEPT = 0x2,        /* MSG_PEEK */
	KERNEL_WORKER = 0x10,      /* PF_IO_WORKER */
	KERNEL_THREAD = 0x200000,  /* PF_KTHREAD */
};

/* The registers of the call under way, or null if the task is in none, or is not a 64-bit program. */
static __always_inline struct pt_regs *call_registers(struct task_struct *task)
{
	struct pt_regs *regs;

	if (task->flags & (KERNEL_WORKER | KERNEL_THREAD))
		return NULL;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (regs->cs != USER_CODE_64 || (long)regs->ax != CALL_UNDER_WAY)
		return NULL;
	return regs;
}

/* Whether descriptor `fd` of the task is the socket. */
static __always_inline bool descriptor_is(struct task_struct *task, __u32 fd, struct sock *sk)
{
	struct fdtable *table = task->files->fdt;
	struct file *file = NULL;
	void *object = NULL;

	if (fd >= table->max_fds || bpf_probe_read_kernel(&file, sizeof(file), table->fd + fd) || !file)
		return false;
	bpf_core_read(&object, sizeof(object), &file->private_data);
	return object && object == sk->sk_socket;
}
