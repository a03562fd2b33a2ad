#pragma once
// Work inside other namespaces, without moving the caller's thread.

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace gnomon::shadow {

// Runs `work` on a thread of its own that has entered the namespace `fd` of kind `type` (CLONE_NEWNET or CLONE_NEWUTS).
absl::Status run_inside(int fd, int type, const std::function<absl::Status()>& work);

// A new network namespace without a process, held by the descriptor.
absl::StatusOr<UniqueFd> new_network_namespace();

// A copy of one mount, attached nowhere (an O_PATH descriptor), or the errno value of why there is none.
struct MountCopy {
  UniqueFd fd;
  int error = 0;
};

// A file system tree as it is seen from somewhere: a mount namespace, and a root in it.
struct MountView {
  UniqueFd space, root;
};

absl::StatusOr<MountView> view_of_process(pid_t pid);
// What is below a directory of the caller's mount namespace.
absl::StatusOr<MountView> view_below(const std::string& directory);

// Copies the mounts that these absolute paths lead to in the view: no symbolic link in it can lead out of it. One
// result per path; below a path nothing else is copied. Needs CAP_SYS_ADMIN and Linux 5.2.
absl::StatusOr<std::vector<MountCopy>> copy_mounts(const MountView& view, const std::vector<std::string>& paths);

}  // namespace gnomon::shadow
