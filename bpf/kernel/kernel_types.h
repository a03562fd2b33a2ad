#pragma once
/* The few kernel structs that the programs read, with only the fields they read. The loader finds each field's place in the
 * running kernel by its name (CO-RE), also inside anonymous structs and unions, so order and gaps do not matter here.
 * Constants and helper types come from <linux/bpf.h>. */
#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

struct net {
	__u64 net_cookie; /* of the network namespace */
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	unsigned int skc_hash;   /* of a connection's addresses and ports, with a secret of the kernel's */
	__u16 skc_num;           /* own port */
	volatile unsigned char skc_state;
	unsigned long skc_flags; /* bits numbered by enum sock_flags */
	atomic64_t skc_cookie;   /* 0 until somebody asks for it */
	possible_net_t skc_net;
};

enum sock_flags {
	SOCK_DONE = 1, /* the peer's FIN has arrived */
};

struct bpf_local_storage;
struct socket;

struct sock {
	struct sock_common __sk_common;
	struct bpf_local_storage *sk_bpf_storage; /* null: no program has stored anything on this socket */
	struct socket *sk_socket; /* what a file's private_data is, if the file is this socket */
};

struct tcp_ulp_ops;

struct inet_connection_sock { /* what a tcp_sock begins with */
	const struct tcp_ulp_ops *icsk_ulp_ops; /* null: no other layer, as kTLS, between the service and TCP */
};

struct tcp_sock {
	__u32 copied_seq; /* first byte the application has not taken */
	__u32 rcv_nxt;    /* first number not received; a received FIN has one */
	__u32 write_seq;  /* of the next byte that the application sends */
	__u32 lsndtime;   /* jiffies when it last sent, or when the connection was established */
	__u64 tcp_clock_cache; /* CLOCK_MONOTONIC in ns, when a packet was last received or sent */
	__u64 bytes_received; /* payload, each once */
};

struct tcp_skb_cb {
	__u32 seq; /* of the packet's first payload byte */
};

struct sk_buff {
	struct sock *sk;
	char cb[48]; /* tcp_skb_cb while TCP holds the packet */
};

struct iovec {
	void *iov_base;
	__u64 iov_len;
};

enum iter_type {
	ITER_UBUF,
	ITER_IOVEC,
};

struct iov_iter {
	__u8 iter_type;
	__u64 iov_offset;
	const struct iovec *__iov;
	void *ubuf;
	__u64 count;
	unsigned long nr_segs;
};

struct iov_iter___before_6_4 {
	const struct iovec *iov;
};

struct msghdr {
	struct iov_iter msg_iter;
};

struct file {
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	unsigned int flags;
	struct files_struct *files;
};

struct pt_regs { /* x86-64 */
	unsigned long r10, ax, cx, dx, si, di, orig_ax, cs;
};

#pragma clang attribute pop
