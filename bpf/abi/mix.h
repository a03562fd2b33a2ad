#pragma once
/* What a service's traffic is made of, as cheap counts that kernel (all watched connections) and agent (what it replays)
 * keep in the same way, so that the one can be set against the other. */
#include "abi.h"
#include "histogram.h"

enum {
	MIX_ENDPOINTS = 64,    /* classes of a request's beginning, by hash */
	MIX_BEGINNING = 32,    /* bytes of a request that can be part of it */
	MIX_UNSTRUCTURED = 16, /* of a request without a second space or a line's end in them */
	MIX_SIZES = 24,        /* by log2 of its bytes; the last class takes all above */
	MIX_GAPS = 40,         /* by log2 of the nanoseconds since the connection's request before; the last takes all above */
};

struct traffic_mix {
	__u64 endpoint[MIX_ENDPOINTS];
	__u64 size[MIX_SIZES];
	__u64 gap[MIX_GAPS];
};
ABI_ASSERT(sizeof(struct traffic_mix) == 8 * (MIX_ENDPOINTS + MIX_SIZES + MIX_GAPS));

/* Number of the class of `value`, of `classes`. */
static inline __u32 mix_class(__u64 value, __u32 classes)
{
	__u32 class_of = value ? histogram_log2(value) : 0;

	return class_of < classes ? class_of : classes - 1;
}

/* Class of a request that begins with the `length` bytes at `begin`, which has room for MIX_BEGINNING; zeros beyond
 * `length`. What counts is the text up to the second space or the first line's end, digits all being the same one
 * ("GET /users/4711 HTTP/1.1" is as "GET /users/0815 HTTP/1.1"), or if there is neither, MIX_UNSTRUCTURED bytes. FNV-1a;
 * two runs of fixed length rather than one with an exit suit the verifier. */
static inline __u32 mix_endpoint(const unsigned char *begin, __u32 length)
{
	__u32 hash = 2166136261u, at_unstructured = 0, spaces = 0, i;

	if (length > MIX_BEGINNING)
		length = MIX_BEGINNING;
	for (i = 0; i < MIX_BEGINNING; i++) {
		unsigned char c = begin[i];

		if (i == MIX_UNSTRUCTURED)
			at_unstructured = hash;
		if (i >= length)
			break;
		if (c == '\r' || c == '\n' || (c == ' ' && ++spaces == 2))
			goto found;
		if (c >= '0' && c <= '9')
			c = '0';
		hash = (hash ^ c) * 16777619u;
	}
	if (i > MIX_UNSTRUCTURED)
		hash = at_unstructured;
found:
	hash ^= hash >> 15;
	return (hash * 2654435769u) >> 26;
}
