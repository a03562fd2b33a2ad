#pragma once
/* What every hook asks first: is this socket watched, does its slot still stand, what waits on it. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "lib/maps.bpf.h"

/* `n`, which is not 0, as a size in [1, most], a compile-time constant, on the very register that is passed on. clang proves the
 * bounds itself and removes a second check, or keeps it on a copy of the register; the verifier (all kernels) then sees an
 * unbounded size. The empty asm makes `n` opaque to clang, so that the checks stay. To go with bpf_assert() (clang 18). The lower
 * bound comes of adding one: Linux 6.1 learns nothing from a comparison with 0. */
static __always_inline __u64 size_within(__u64 n, const __u32 most)
{
	n--;
	asm volatile("" : "+r"(n));
	if (n > most - 1)
		n = most - 1;
	asm volatile("" : "+r"(n));
	return n + 1;
}

/* A watched socket's mark, or null: the end of the road for every other socket of the machine. */
static __always_inline struct probe_socket *watched(struct sock *sk)
{
	if (!sk->sk_bpf_storage) /* spares them the helper call */
		return NULL;
	return bpf_sk_storage_get(&sockets, sk, 0, 0);
}

/* Whether a watched socket may be sampled: one that is has got a cookie. One that somebody else has asked for its cookie only
 * costs more. */
static __always_inline bool may_be_sampled(const struct sock *sk)
{
	return sk->__sk_common.skc_cookie.counter != 0;
}

/* A number that is as good as random, but the same from an exchange's first byte to its response's: that of the next byte to send
 * does not change meanwhile. So that chance can choose exchanges without anything being looked up, or kept. */
static __always_inline __u32 exchange_dice(const struct sock *sk, const struct tcp_sock *tcp)
{
	__u32 mixed = (sk->__sk_common.skc_hash ^ tcp->write_seq) * 0x9e3779b1; /* 2^32 by the golden ratio: Knuth, TAOCP 6.4 */

	return (mixed ^ mixed >> 15) * 0x85ebca6b;
}

/* See probe_shared.thinning. */
static __always_inline __u32 thinning_of(const struct sock *sk)
{
	struct probe_shared *page = shared_page();
	__u32 port = probe_port(sk->__sk_common.skc_num, sk->__sk_common.skc_net.net->net_cookie);
	__u32 thinning = page ? page->thinning[port % PROBE_PORTS] : 0;

	return thinning <= PROBE_MOST_THINNING ? thinning : 0;
}

/* The control of the socket's slot; null if that slot was released since the socket was marked. */
static __always_inline struct probe_control *live_control(const struct probe_socket *mark)
{
	__u32 slot = mark->slot;
	struct probe_shared *page = shared_page();

	if (!page || slot >= PROBE_SLOTS || page->control[slot].generation != mark->generation)
		return NULL;
	return &page->control[slot];
}

static __always_inline void count(const struct probe_socket *mark, enum probe_counter counter, __u64 n)
{
	__u32 slot = mark->slot;
	struct probe_measured *cpu = bpf_map_lookup_elem(&measured, &slot);

	if (cpu)
		cpu->counters.value[counter] += n;
}

static __always_inline bool fin_received(struct sock *sk)
{
	return sk->__sk_common.skc_flags & (1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE));
}

/* Payload bytes that the service has not taken yet. A FIN takes a sequence number and is not one of them. */
static __always_inline __u32 bytes_waiting(struct sock *sk, const struct tcp_sock *tcp)
{
	__u32 waiting = tcp->rcv_nxt - tcp->copied_seq;

	return waiting && fin_received(sk) ? waiting - 1 : waiting;
}

/* Number of the first byte that the service has not taken. A FIN that it has read is not counted. */
static __always_inline __u32 taken_to(struct sock *sk, const struct tcp_sock *tcp)
{
	bool fin = fin_received(sk); /* before the numbers, which are final once it is there */
	__u32 end = tcp->rcv_nxt, taken = tcp->copied_seq;

	return fin && taken == end ? taken - 1 : taken;
}

/* Addresses in an iterator, read as numbers: through a pointer they would be pointers to the verifier of Linux 6.1, which
 * takes no arithmetic with them. To go with that kernel. */
static __always_inline __u64 buffer_at(struct iov_iter *iterator)
{
	__u64 address = 0;

	bpf_core_read(&address, sizeof(address), &iterator->ubuf);
	return address;
}

/* The array of segments, which Linux 6.4 renamed. */
static __always_inline const struct iovec *segments_of(struct iov_iter *iterator)
{
	struct iov_iter___before_6_4 *former = (void *)iterator;
	__u64 address = 0;

	if (bpf_core_field_exists(iterator->__iov))
		bpf_core_read(&address, sizeof(address), &iterator->__iov);
	else
		bpf_core_read(&address, sizeof(address), &former->iov);
	return (const struct iovec *)address;
}
