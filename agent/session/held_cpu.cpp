#include "agent/session/held_cpu.h"

#include <utility>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

constexpr char kLeastQuota[] = "1000";  // µs of each period of 100 ms: the kernel's least

}  // namespace

absl::StatusOr<HeldCpu> HeldCpu::hold(const std::string& proc, const std::string& cgroup, pid_t pid) {
  HeldCpu held;
  const auto own = discovery::cgroup_of(proc, cgroup, pid, "cpu");
  if (!own || own->root()) return held;
  const std::string file = own->directory() + (own->v2 ? "/cpu.max" : "/cpu.cfs_quota_us");
  std::string before = discovery::read_file(file).value_or("");
  if (before.empty()) return held;
  RETURN_IF_ERROR(discovery::write_control(file, kLeastQuota));
  held.file_ = file;
  held.before_ = before.substr(0, before.find('\n'));
  return held;
}

absl::Status HeldCpu::let_go() {
  if (file_.empty()) return absl::OkStatus();
  return discovery::write_control(std::exchange(file_, ""), before_);
}

}  // namespace gnomon::session
