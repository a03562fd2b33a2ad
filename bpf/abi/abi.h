#pragma once
/* Common ground of the headers that kernel and user space share: fixed widths only, every size asserted. */

#ifdef __bpf__
#define ABI_ASSERT(cond) _Static_assert(cond, #cond)
#else
#include <linux/types.h>
#ifdef __cplusplus
#define ABI_ASSERT(cond) static_assert(cond, #cond)
#else
#define ABI_ASSERT(cond) _Static_assert(cond, #cond)
#endif
#endif
