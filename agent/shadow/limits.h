#pragma once
// The limits of one cgroup, written to its files: v1, hybrid and v2.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/shadow/cgroups.h"
#include "common/units.h"

namespace gnomon::shadow {

// What is not set stays as it is; what a hierarchy has no file for is left out.
struct Limits {
  std::optional<MilliCpu> cpu;            // hard, over periods of 100 ms
  std::optional<Bytes> memory;            // hard, and without swap: payload stays off the disk
  std::optional<std::int64_t> processes;  // and threads
  std::optional<unsigned> io_weight;      // 1 to 1000, 100 being usual; needs an I/O scheduler that knows weights
  std::vector<int> cpus;                  // to run on; empty: as they are
  bool lowest_cpu_weight = false;         // against what does not belong to the cgroup
};

// The processors that shadows are kept to, so that the others are production's alone: the last of `usable`, as many as
// the budget needs. None (any will do) where there are fewer than four, or that would be more than half of them.
std::vector<int> cpus_of_shadows(const std::vector<int>& usable, MilliCpu budget);

// kFailedPrecondition, with the remedy, unless a disk gives out its time by weights: by its scheduler (bfq), or by cost
// (io.cost.qos). That a cgroup has a file for its weight says nothing of that. `cgroups`: where the hierarchies are
// mounted; `disks`: /sys/block.
absl::Status knows_io_weights(const std::string& cgroups, const std::string& disks);

// `cgroup` is its path below each of the hierarchies at `root`. Memory is never taken from processes that use it:
// kFailedPrecondition, with what is in use, if the kernel cannot reclaim enough for a new memory limit, which then
// stays as it was; all else is set.
absl::Status set_limits(const std::string& root, const std::string& cgroup, const Limits& limits);

}  // namespace gnomon::shadow
