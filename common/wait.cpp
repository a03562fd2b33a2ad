#include "common/wait.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace gnomon {

bool wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline, int stop) {
  pollfd polled[] = {{.fd = fd, .events = events, .revents = 0}, {.fd = stop, .events = POLLIN, .revents = 0}};
  int result = 0;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    result = ::poll(polled, 2, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  } while (result < 0 && errno == EINTR);
  return result > 0 && polled[0].revents != 0;
}

}  // namespace gnomon
