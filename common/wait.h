#pragma once
// Waiting for a descriptor that may be in vain.

#include <chrono>

namespace gnomon {

// Whether `fd` becomes ready for `events` (poll(2)) by `deadline`; false at once when `stop` is readable and it is not.
// Negative: nothing stops it.
bool wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline, int stop);

}  // namespace gnomon
