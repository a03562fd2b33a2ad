#pragma once
/* The probe's maps. tap.bpf.c defines them (PROBE_MAPS_HERE), every other program file refers to them; bpftool checks on
 * linking that the definitions agree. */
#include <bpf/bpf_helpers.h>

#include "abi/probe.h"

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
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct probe_control);
} controls SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct probe_counters);
} counters SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct probe_histogram);
} histograms SEC(".maps");

PROBE_MAP struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20); /* the agent sets its own before loading */
} ring SEC(".maps");

/* By slot: bytes of a sampled connection went past the tap. The agent looks at it and attaches tap_cause. */
#ifdef PROBE_MAPS_HERE
__u32 past_tap[PROBE_SLOTS] = {};
#else
extern __u32 past_tap[PROBE_SLOTS];
#endif

static __always_inline void tell_past_tap(__u32 slot)
{
	if (slot < PROBE_SLOTS)
		past_tap[slot] = 1;
}
