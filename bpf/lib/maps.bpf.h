#pragma once
/* The probe's maps. tap.bpf.c defines them (PROBE_MAPS_HERE), every other program file refers to them; bpftool checks on
 * linking that the definitions agree. */
#include <bpf/bpf_helpers.h>

#include "abi/probe.h"
#include "abi/response.h"

#ifdef PROBE_MAPS_HERE
#define PROBE_MAP
#else
#define PROBE_MAP extern
#endif

/* Marks on watched sockets. A listener's mark is cloned to each connection it accepts, before that is established. */
PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct probe_socket);
} sockets SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_shared);
} shared SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct probe_measured);
} measured SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct probe_mixes);
} mixes SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct response_wish);
} response_wishes SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct response_counters);
} responded SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20); /* the agent sets its own before loading */
} ring SEC(".maps");

/* Takes records first: see reserve(). */
PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, PROBE_HOT_RING_BYTES); /* less where the ring is small */
} hot_ring SEC(".maps");

static __always_inline struct probe_shared *shared_page(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&shared, &only);
}

static __always_inline void tell_past_tap(__u32 slot, enum probe_past_tap what)
{
	struct probe_shared *page = shared_page();

	if (page && slot < PROBE_SLOTS && page->past_tap[slot] < what)
		page->past_tap[slot] = what;
}
