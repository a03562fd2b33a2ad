#include "agent/probe/attach.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "agent/probe/kernel_log.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace gnomon::probe {

absl::StatusOr<LinkPtr> attach(const bpf_object* object, const char* program) {
  const KernelLog log;
  LinkPtr link(bpf_program__attach(bpf_object__find_program_by_name(object, program)));
  if (!link) return errno_status(fmt::format("probe: cannot attach {}; libbpf: {}", program, log.tail()));
  return link;
}

absl::StatusOr<LinkPtr> attach_to_cgroups(const bpf_object* object, const char* program) {
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    struct statfs kind {};
    if (::statfs(root, &kind) != 0 || kind.f_type != CGROUP2_SUPER_MAGIC) continue;
    const UniqueFd directory(::open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const KernelLog log;
    LinkPtr link(bpf_program__attach_cgroup(bpf_object__find_program_by_name(object, program), directory.get()));
    if (!link) return errno_status(fmt::format("probe: cannot attach {} to {}; libbpf: {}", program, root, log.tail()));
    return link;
  }
  return absl::FailedPreconditionError("probe: no cgroup v2 hierarchy is mounted at /sys/fs/cgroup or below it");
}

}  // namespace gnomon::probe
