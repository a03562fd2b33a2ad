#pragma once
// Is a shadow up? Asked from the calling thread's network namespace; without TLS.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace gnomon::shadow {

// How long an answer is waited for, and what ends that before.
struct Patience {
  std::chrono::steady_clock::time_point deadline;
  int stop = -1;  // a descriptor that becomes readable; negative: nothing
};

// Opens and closes one connection: OK if the service has taken it in time. That it was made tells nothing, as the
// kernel makes it for any listener, and a socket that the service inherits listens before the service is there.
// `net`: its network as /proc shows it, "/proc/PID/net".
absl::Status accepts_connection(const std::string& address, std::uint16_t port, const std::string& net,
                                const Patience& patience);

// How many connections wait to be taken by who listens on `port`; 0 also where nobody listens.
std::uint64_t connections_waiting(const std::string& net, std::uint16_t port);

// OK if GET `path` is answered with 2xx or 3xx; else what came instead.
absl::Status answers_http(const std::string& address, std::uint16_t port, const std::string& path,
                          const Patience& patience);

// Whether a service of that protocol (document::kProtocols) can be asked if it is up.
bool has_greeting(std::string_view protocol);

// The protocol of a database of that name, which takes connections before it is up; "" of any other program.
std::string_view protocol_of_program(std::string_view program);

// Greets the service in its protocol, which has a greeting: OK if it answers, with whatever else than that it is not up
// yet (PostgreSQL's 57P03, Redis' LOADING), or ends the connection, as some do that speak TLS alone; else what it said.
absl::Status answers_greeting(const std::string& address, std::uint16_t port, std::string_view protocol,
                              const Patience& patience);

}  // namespace gnomon::shadow
