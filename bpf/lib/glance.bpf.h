#pragma once
/* What a service's requests look like, those on connections that are not sampled included: a glance at the first bytes that the
 * service reads of some. */
#include "lib/socket.bpf.h"

enum {
	GLANCE_MASK = 3, /* one exchange in four, before thinning */
};

/* Whether the exchange under way is one to glance at. Most are dismissed before anything is looked up. */
static __always_inline bool glance_due(const struct sock *sk, const struct tcp_sock *tcp)
{
	__u32 dice = exchange_dice(sk, tcp), mask = GLANCE_MASK;

	if (dice & mask)
		return false;
	mask = ((mask + 1) << thinning_of(sk)) - 1;
	return !(dice & mask);
}

/* The mark, if what is read now is the first of the exchange, on a watched connection of a slot that samples some of its
 * connections and not others; else null. */
static __always_inline struct probe_socket *glance_begins(struct sock *sk, const struct tcp_sock *tcp)
{
	struct probe_socket *mark = watched(sk);
	struct probe_control *control;

	if (!mark || mark->flags & (SOCKET_LISTENER | SOCKET_TLS) || mark->glanced_at == tcp->write_seq)
		return NULL;
	control = live_control(mark);
	if (!control || !control->sample_threshold || control->sample_threshold >> 32 || control->flags & CONTROL_TLS)
		return NULL;
	mark->glanced_at = tcp->write_seq;
	return mark;
}

static __always_inline void add_to_mix(struct traffic_mix *mix, __u32 endpoint, __u32 size, __u32 gap)
{
	if (endpoint < MIX_ENDPOINTS)
		mix->endpoint[endpoint]++;
	if (size < MIX_SIZES)
		mix->size[size]++;
	if (gap < MIX_GAPS)
		mix->gap[gap]++;
}

/* A request begins with the `length` bytes at `begin`, which is zero from there to MIX_BEGINNING; `waiting`: all that has
 * arrived of it. */
static __always_inline void glance(const struct probe_socket *mark, const struct tcp_sock *tcp, const unsigned char *begin,
				   __u32 length, __u32 waiting)
{
	__u32 slot = mark->slot, endpoint = mix_endpoint(begin, length), size = mix_class(waiting, MIX_SIZES);
	__u32 gap = mix_class((__u32)bpf_jiffies64() - tcp->lsndtime, MIX_GAPS);
	struct probe_mixes *cpu = bpf_map_lookup_elem(&mixes, &slot);

	if (!cpu)
		return;
	add_to_mix(&cpu->all, endpoint, size, gap);
	if (mark->flags & SOCKET_SAMPLED)
		add_to_mix(&cpu->sampled, endpoint, size, gap);
}
