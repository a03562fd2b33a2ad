#pragma once
// Sockets that a service did not open itself: those that a service manager (or whoever started it) opened and left to
// it. The shadow finds sockets of the same kind under the same numbers.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/discovery/instance.h"
#include "common/unique_fd.h"

namespace gnomon::shadow {

struct Inherited {
  std::vector<int> numbers;              // in the service
  std::vector<UniqueFd> descriptors;     // what it shall find there
  std::vector<std::string> environment;  // what tells it of them; LISTEN_PID is its own, and left to our init
};

// Makes them anew in the network namespace `netns`: TCP and UDP sockets with the same address and options, listening as
// the originals do; a local socket of the same type under a name of its own; for anything else /dev/null.
absl::StatusOr<Inherited> recreate_inherited(const std::string& proc, const discovery::Instance& instance,
                                             const std::vector<std::string>& argv, int netns);

}  // namespace gnomon::shadow
