#pragma once
// Where a process is in the cgroup hierarchies (v1, hybrid and v2), and what limits it there.

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "common/units.h"

namespace gnomon::discovery {

// All shadows live below a cgroup of this name: what is in there is never production.
inline constexpr char kShadowCgroup[] = "gnomon";

struct Cgroup {
  std::string mount;  // directory of the hierarchy
  std::string path;   // below it, "/" for its root
  bool v2 = false;
  std::string directory() const { return path == "/" ? mount : mount + path; }
  bool root() const { return path == "/"; }
};

// The cgroup of the process that `controller` ("cpu", "memory", …) acts on: v1 if that has the controller, else v2.
// Nothing if no hierarchy has it or if it is outside of what is mounted at `cgroup`.
std::optional<Cgroup> cgroup_of(const std::string& proc, const std::string& cgroup, pid_t pid,
                                const std::string& controller);

// The tightest CPU quota from the process's cgroup upwards; nothing if there is none.
std::optional<MilliCpu> cpu_quota(const std::string& proc, const std::string& cgroup, pid_t pid);

// The tightest memory limit from the process's cgroup upwards; nothing if there is none.
std::optional<Bytes> memory_limit(const std::string& proc, const std::string& cgroup, pid_t pid);

// Writes a control file of a cgroup, in one go.
absl::Status write_control(const std::string& file, const std::string& value);

// Whether the process belongs to a shadow.
bool in_shadow_cgroup(const std::string& proc, pid_t pid);

}  // namespace gnomon::discovery
