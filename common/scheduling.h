#pragma once
// How a thread shares its processor.

#include <sched.h>

namespace gnomon {

// From now on the calling thread does not preempt what runs when it wakes, a service say, but waits for its turn
// (SCHED_BATCH, sched(7)). For work that can wait for a few milliseconds. Where the kernel refuses, it goes on as it
// was.
inline void wait_for_turn() {
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);  // 0: this thread
}

}  // namespace gnomon
