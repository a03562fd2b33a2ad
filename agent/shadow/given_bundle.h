#pragma once
// A directory with an OCI bundle that is started in place of a copy of the process.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/shadow/launch.h"
#include "agent/shadow/root_plan.h"

namespace gnomon::shadow {

struct GivenBundle {
  std::string root;  // its root file system, absolute
  Launch launch;
  RootPlan plan;
  std::string hostname;  // may be empty
};

// What is taken of <directory>/config.json: arguments, environment, working directory, user, limits, those capabilities
// that are safe in a shadow and that this process may give, the host name, binds and tmpfs mounts, masked paths. All
// else is the shadow runtime's own, and hooks, which would run outside, never run. Errors name the file, its field and
// what that has to be.
absl::StatusOr<GivenBundle> read_bundle(const std::string& directory);

// The same of a text; pure. `own_capabilities`: a mask of those that may be given at most.
absl::StatusOr<GivenBundle> parse_bundle(const std::string& directory, const std::string& config,
                                         std::uint64_t own_capabilities);

}  // namespace gnomon::shadow
