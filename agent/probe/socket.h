#pragma once
// What a descriptor that shall be watched is.

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gnomon::probe {

// Fails, saying what it is, unless it is a TCP socket that listens, or does not, as `listener` says.
absl::Status check_socket(int fd, bool listener);

absl::StatusOr<std::uint16_t> local_port(int fd);

// By which the kernel tells it from all others.
absl::StatusOr<std::uint64_t> socket_cookie(int fd);

// Of the network namespace that it is in (Linux 5.14).
absl::StatusOr<std::uint64_t> netns_cookie(int fd);

}  // namespace gnomon::probe
