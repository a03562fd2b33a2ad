#include "agent/shadow/process_limit.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>

#include "agent/discovery/instance.h"
#include "agent/discovery/procfs.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

using discovery::field_of;
using discovery::read_file;

constexpr std::int64_t kUsual = 2048;
constexpr std::int64_t kForStarting = 32;  // our init, and a container runtime's threads while it starts

std::string status_of(const std::string& proc, pid_t pid) {
  return read_file(fmt::format("{}/{}/status", proc, pid)).value_or("");
}

std::int64_t number_in(const std::string& status, const std::string& field) {
  std::istringstream in(field_of(status, field));
  std::int64_t first = 0;
  in >> first;
  return first;
}

// The soft limit of the process, if it has one.
std::optional<std::int64_t> limit_of_user(const std::string& proc, pid_t pid) {
  std::istringstream lines(read_file(fmt::format("{}/{}/limits", proc, pid)).value_or(""));
  static const std::string kTitle = "Max processes";
  for (std::string line; std::getline(lines, line);) {
    std::int64_t soft = 0;
    if (line.rfind(kTitle, 0) == 0 && std::istringstream(line.substr(kTitle.size())) >> soft) return soft;
  }
  return std::nullopt;
}

std::int64_t tasks_of_user(const std::string& proc, std::int64_t uid) {
  std::int64_t tasks = 0;
  for (const int pid : discovery::numbered_entries(proc)) {
    const std::string status = status_of(proc, pid);
    if (!status.empty() && number_in(status, "Uid") == uid) tasks += number_in(status, "Threads");
  }
  return tasks;
}

}  // namespace

absl::StatusOr<int> process_limit(const std::string& proc, pid_t pid) {
  const std::string status = status_of(proc, pid);
  if (status.empty()) return absl::NotFoundError(fmt::format("process {} has ended", pid));
  std::int64_t tasks = 0;
  for (const pid_t member : discovery::process_tree(proc, pid)) tasks += number_in(status_of(proc, member), "Threads");
  const std::int64_t wanted = std::max(kUsual, 2 * tasks), uid = number_in(status, "Uid");
  const auto limit = limit_of_user(proc, pid);
  if (!limit || uid == 0) return static_cast<int>(wanted);  // root is not held to it
  const std::int64_t used = tasks_of_user(proc, uid), allowed = std::min(wanted, (*limit - used) / 2);
  if (allowed >= tasks + kForStarting) return static_cast<int>(allowed);
  return absl::FailedPreconditionError(fmt::format(
      "its user {} has {} of at most {} processes and threads, and a shadow counts as the same user: it needs a limit "
      "of {} (systemd: LimitNPROC)",
      uid, used, *limit, used + 2 * (tasks + kForStarting)));
}

}  // namespace gnomon::shadow
