#pragma once
// Is a shadow up? Asked from the calling thread's network namespace; plain HTTP/1.1 only.

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/clock.h"

namespace gnomon::shadow {

// Opens and closes one connection: OK if the service has taken it within `timeout`. That it was made tells nothing, as
// the kernel makes it for any listener, and a socket that the service inherits listens before the service is there.
// `net`: its network as /proc shows it, "/proc/PID/net".
absl::Status accepts_connection(const std::string& address, std::uint16_t port, const std::string& net, Nanos timeout);

// How many connections wait to be taken by who listens on `port`; 0 also where nobody listens.
std::uint64_t connections_waiting(const std::string& net, std::uint16_t port);

// OK if GET `path` is answered with 2xx or 3xx; else what came instead, within `timeout`.
absl::Status answers_http(const std::string& address, std::uint16_t port, const std::string& path, Nanos timeout);

}  // namespace gnomon::shadow
