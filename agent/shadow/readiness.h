#pragma once
// Is a shadow up? Asked from the calling thread's network namespace; plain HTTP/1.1 only.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/clock.h"

namespace gnomon::shadow {

// Opens and closes one connection, within a second.
absl::Status accepts_connection(const std::string& address, std::uint16_t port);

// OK if GET `path` is answered with 2xx or 3xx; else what came instead, within `timeout`.
absl::Status answers_http(const std::string& address, std::uint16_t port, const std::string& path, Nanos timeout);

}  // namespace gnomon::shadow
