#include "agent/shadow/limits.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "agent/discovery/cgroup.h"
#include "common/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gnomon::shadow {
namespace {

using discovery::write_control;

constexpr std::int64_t kPeriod = 100'000;    // µs
constexpr std::int64_t kLeastQuota = 1'000;  // µs, the kernel's

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

absl::Status write_if_there(const std::string& path, const std::string& value) {
  return exists(path) ? write_control(path, value) : absl::OkStatus();
}

std::uint64_t number_in(const std::string& path) {
  std::uint64_t number = 0;
  std::ifstream(path) >> number;
  return number;
}

std::int64_t quota_of(MilliCpu cpu) {
  return std::max(kLeastQuota, cpu.value * kPeriod / 1000);
}

absl::Status in_use(std::uint64_t used, Bytes wanted) {
  return absl::FailedPreconditionError(
      fmt::format("a memory limit of {} is less than the {} in use, which cannot be reclaimed: the limit stays",
                  format_bytes(wanted), format_bytes(Bytes{used})));
}

// The limit of memory is never above that of memory and swap: which of them is written first depends on the direction.
absl::Status limit_memory_v1(const std::string& directory, Bytes memory) {
  const std::string limit = directory + "/memory.limit_in_bytes",
                    with_swap = directory + "/memory.memsw.limit_in_bytes";
  if (!exists(limit)) return absl::OkStatus();
  const std::string value = std::to_string(memory.value);
  RETURN_IF_ERROR(write_if_there(directory + "/memory.swappiness", "0"));
  const bool raised = memory.value > number_in(limit);
  if (raised) RETURN_IF_ERROR(write_if_there(with_swap, value));
  if (const absl::Status written = write_control(limit, value); !written.ok()) {
    // The kernel has tried to reclaim, and has left the limit as it was.
    const std::uint64_t used = number_in(directory + "/memory.usage_in_bytes");
    return used > memory.value ? in_use(used, memory) : written;
  }
  return raised ? absl::OkStatus() : write_if_there(with_swap, value);
}

// memory.max would have the kernel kill when it cannot reclaim; memory.high has it reclaim, and no more.
absl::Status limit_memory_v2(const std::string& directory, Bytes memory) {
  const std::string limit = directory + "/memory.max", high = directory + "/memory.high";
  if (!exists(limit)) return absl::OkStatus();
  const std::string value = std::to_string(memory.value);
  RETURN_IF_ERROR(write_control(high, value));
  const std::uint64_t used = number_in(directory + "/memory.current");
  const absl::Status written = used > memory.value ? in_use(used, memory) : write_control(limit, value);
  RETURN_IF_ERROR(write_control(high, "max"));
  RETURN_IF_ERROR(written);
  return write_if_there(directory + "/memory.swap.max", "0");
}

absl::Status set_v1(const std::string& directory, const Limits& limits) {
  if (limits.cpu && exists(directory + "/cpu.cfs_quota_us")) {
    RETURN_IF_ERROR(write_control(directory + "/cpu.cfs_period_us", std::to_string(kPeriod)));
    RETURN_IF_ERROR(write_control(directory + "/cpu.cfs_quota_us", std::to_string(quota_of(*limits.cpu))));
  }
  if (limits.lowest_cpu_weight) RETURN_IF_ERROR(write_if_there(directory + "/cpu.shares", "2"));  // of 1024
  if (limits.io_weight) {
    // CFQ, which has gone, took 10 at least.
    RETURN_IF_ERROR(write_if_there(directory + "/blkio.weight", std::to_string(std::max(10u, *limits.io_weight))));
    RETURN_IF_ERROR(write_if_there(directory + "/blkio.bfq.weight", std::to_string(*limits.io_weight)));
  }
  return limits.memory ? limit_memory_v1(directory, *limits.memory) : absl::OkStatus();
}

absl::Status set_v2(const std::string& directory, const Limits& limits) {
  if (limits.cpu) {
    RETURN_IF_ERROR(write_if_there(directory + "/cpu.max", fmt::format("{} {}", quota_of(*limits.cpu), kPeriod)));
  }
  if (limits.lowest_cpu_weight) RETURN_IF_ERROR(write_if_there(directory + "/cpu.weight", "1"));  // of 100
  if (limits.io_weight) {
    const std::string value = fmt::format("default {}", *limits.io_weight);
    RETURN_IF_ERROR(write_if_there(directory + "/io.weight", value));
    RETURN_IF_ERROR(write_if_there(directory + "/io.bfq.weight", value));
  }
  return limits.memory ? limit_memory_v2(directory, *limits.memory) : absl::OkStatus();
}

bool contains(const std::string& path, std::string_view what) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (line.find(what) != std::string::npos) return true;
  return false;
}

std::string word_in(const std::string& path) {
  std::string word;
  std::ifstream(path) >> word;
  return word;
}

// In v1 a cgroup has neither processors nor memory nodes until it is given some, and takes no process before.
absl::Status inherit_cpuset(const std::string& directory) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"})
    if (word_in(directory + file).empty())
      RETURN_IF_ERROR(write_control(directory + file, word_in(directory + "/.." + file)));
  return absl::OkStatus();
}

absl::Status set_cpus(const std::string& directory, bool v2, const std::vector<int>& cpus) {
  const std::string file = directory + "/cpuset.cpus";
  if (!exists(file)) return absl::OkStatus();
  if (!v2) {
    RETURN_IF_ERROR(inherit_cpuset(directory + "/.."));
    RETURN_IF_ERROR(inherit_cpuset(directory));
  }
  return write_control(file, fmt::format("{}", fmt::join(cpus, ",")));
}

}  // namespace

std::vector<int> cpus_of_shadows(const std::vector<int>& usable, MilliCpu budget) {
  constexpr std::size_t kLeast = 4;
  const auto needed = static_cast<std::size_t>((std::max<std::int64_t>(budget.value, 1) + 999) / 1000);
  if (usable.size() < kLeast || needed * 2 > usable.size()) return {};
  return {usable.end() - static_cast<std::ptrdiff_t>(needed), usable.end()};
}

absl::Status knows_io_weights(const std::string& cgroups, const std::string& disks) {
  std::error_code none;
  for (const auto& disk : std::filesystem::directory_iterator(disks, none))
    if (contains(disk.path() / "queue/scheduler", "[bfq]")) return absl::OkStatus();
  for (const Hierarchy& hierarchy : hierarchies(cgroups))
    if (contains(hierarchy.mount + "/io.cost.qos", "enable=1")) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "resource_allocation.io_weight: no disk of this node gives out its time by weights: switch one to the scheduler "
      "bfq (/sys/block/DISK/queue/scheduler), or leave it out");
}

absl::Status set_limits(const std::string& root, const std::string& cgroup, const Limits& limits) {
  absl::Status first;
  for (const Hierarchy& hierarchy : hierarchies(root)) {
    const std::string directory = hierarchy.mount + cgroup;
    if (!exists(directory)) continue;
    if (!limits.cpus.empty()) first.Update(set_cpus(directory, hierarchy.v2, limits.cpus));
    if (limits.processes) first.Update(write_if_there(directory + "/pids.max", std::to_string(*limits.processes)));
    first.Update(hierarchy.v2 ? set_v2(directory, limits) : set_v1(directory, limits));
  }
  return first;
}

}  // namespace gnomon::shadow
