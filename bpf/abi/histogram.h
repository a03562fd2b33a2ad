#pragma once
/* The log-linear histogram that every duration in Gnomon lives in, in the kernel and on the wire: 32 buckets an octave, so
 * a value's bucket is at most 1/32 = 3.1% wide and its midpoint at most 1.6% off. Values below 32 have a bucket of their own.
 * The layout is HdrHistogram's (Tene 2012), in nanoseconds. */
#include "abi.h"

enum {
	HISTOGRAM_SUB_BITS = 5,
	HISTOGRAM_SUB_BUCKETS = 1 << HISTOGRAM_SUB_BITS,
	/* Largest distinguished value is 2^37 ns, 137 s; anything above is counted in the last bucket. */
	HISTOGRAM_MAX_BITS = 37,
	HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB_BUCKETS,
};

/* Position of the highest set bit of a non-zero value. */
static inline __u32 histogram_log2(__u64 value)
{
	__u32 bit = 0;

	if (value >> 32) {
		bit += 32;
		value >>= 32;
	}
	if (value >> 16) {
		bit += 16;
		value >>= 16;
	}
	if (value >> 8) {
		bit += 8;
		value >>= 8;
	}
	if (value >> 4) {
		bit += 4;
		value >>= 4;
	}
	if (value >> 2) {
		bit += 2;
		value >>= 2;
	}
	return bit + (__u32)(value >> 1);
}

static inline __u32 histogram_bucket(__u64 ns)
{
	__u32 octave;

	if (ns < HISTOGRAM_SUB_BUCKETS)
		return (__u32)ns;
	if (ns >> HISTOGRAM_MAX_BITS)
		return HISTOGRAM_BUCKETS - 1;
	octave = histogram_log2(ns) - HISTOGRAM_SUB_BITS;
	return (octave + 1) * HISTOGRAM_SUB_BUCKETS + (__u32)((ns >> octave) & (HISTOGRAM_SUB_BUCKETS - 1));
}

/* Lower edge of a bucket, in nanoseconds; of HISTOGRAM_BUCKETS: the upper edge of the last one. */
static inline __u64 histogram_lower_edge(__u32 bucket)
{
	if (bucket < HISTOGRAM_SUB_BUCKETS)
		return bucket;
	return (__u64)(HISTOGRAM_SUB_BUCKETS + bucket % HISTOGRAM_SUB_BUCKETS)
	       << (bucket / HISTOGRAM_SUB_BUCKETS - 1);
}
