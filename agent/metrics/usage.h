#pragma once
// CPU, throttling and memory of a process tree, from its cgroup where it has one of its own, else from /proc.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/units.h"

namespace gnomon::metrics {

struct Usage {
  Nanos cpu{0};                 // cumulative
  Nanos throttled{0};           // cumulative; zero where nothing limits it
  Bytes memory;                 // now
  std::uint64_t throttles = 0;  // cumulative: periods of its quota in which it was throttled
};

// Reads cgroup v1 (cpuacct.usage, cpu.stat, memory.usage_in_bytes less inactive file) or v2 (cpu.stat, memory.current)
// of the process's cgroups. A process in a root cgroup shares it with the machine: then the tree's /proc/*/schedstat
// and smaps_rollup/statm are summed instead.
class UsageReader {
 public:
  // `proc` and `cgroup` are the roots, "/proc" and "/sys/fs/cgroup" outside tests.
  static absl::StatusOr<std::unique_ptr<UsageReader>> open(const std::string& proc, const std::string& cgroup, int pid);
  virtual ~UsageReader() = default;
  virtual absl::StatusOr<Usage> read() = 0;
  virtual std::string source() const = 0;  // for people: "cgroup v1 /gnomon/…", "/proc of 3 processes"
};

}  // namespace gnomon::metrics
