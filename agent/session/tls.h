#pragma once
// Whether a service's connections carry TLS, and by which library it reads them.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/replay/replayer.h"
#include "agent/tls/library.h"

namespace gnomon::session {

struct Tls {
  bool spoken = false;
  std::vector<tls::Library> libraries;  // of the processes that are there now, if it is
};

// Asks the shadow, never production: where the processes from `root` down have TLS at all, the shadow is sent a
// client's hello, from the network namespace `netns`; it speaks TLS if it answers in TLS. kUnimplemented, with what was
// found and what to do, if it does, and not by a library that can be probed. Takes up to some seconds if the shadow
// does not answer; kCancelled at once when the descriptor `stop` is readable.
absl::StatusOr<Tls> find_tls(const std::string& proc, pid_t root, int netns, const replay::Target& shadow, int stop);

}  // namespace gnomon::session
