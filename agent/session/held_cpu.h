#pragma once
// A process's cgroup that gets next to no CPU for a while.

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace gnomon::session {

// Not frozen: what is in there must still be able to die with the agent, and a frozen process cannot.
class HeldCpu {
 public:
  HeldCpu() = default;  // holds nothing
  // From here on the cgroup gets a hundredth of a CPU at most. Where none has a quota nothing is held: no error.
  static absl::StatusOr<HeldCpu> hold(const std::string& proc, const std::string& cgroup, pid_t pid);
  // The quota is as it was before.
  absl::Status let_go();

 private:
  std::string file_, before_;
};

}  // namespace gnomon::session
