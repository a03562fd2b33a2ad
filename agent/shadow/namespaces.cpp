#include "agent/shadow/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

// On a thread of its own, which ends with it.
absl::Status copy_inside(const MountView& view, const std::vector<std::string>& paths, std::vector<MountCopy>* copies) {
  // A root and a working directory of its own: a thread that shares them may not enter a mount namespace.
  if (::unshare(CLONE_FS) != 0 || ::setns(view.space.get(), CLONE_NEWNS) != 0 || ::fchdir(view.root.get()) != 0 ||
      ::chroot(".") != 0)
    return errno_status("entering a mount namespace (needs CAP_SYS_ADMIN)");
  for (const std::string& path : paths) {
    MountCopy& copy = copies->emplace_back();
    copy.fd.reset(static_cast<int>(::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    copy.error = copy.fd.valid() ? 0 : errno;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status run_inside(int fd, int type, const std::function<absl::Status()>& work) {
  absl::Status result;
  std::thread([&] {
    result = ::setns(fd, type) == 0 ? work() : errno_status("entering a namespace (needs CAP_SYS_ADMIN)");
  }).join();
  return result;
}

absl::StatusOr<UniqueFd> new_network_namespace() {
  absl::StatusOr<UniqueFd> result = absl::InternalError("no thread ran");
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      result = errno_status("making a network namespace (needs CAP_SYS_ADMIN)");
      return;
    }
    UniqueFd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (fd.valid())
      result = std::move(fd);
    else
      result = errno_status("/proc/thread-self/ns/net");
  }).join();
  return result;
}

absl::StatusOr<MountView> view_of_process(pid_t pid) {
  const std::string process = fmt::format("/proc/{}", pid);
  MountView view{UniqueFd(::open((process + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC)),
                 UniqueFd(::open((process + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))};
  if (!view.space.valid() || !view.root.valid())
    return errno_status(fmt::format("the mount namespace of process {}", pid));
  return view;
}

absl::StatusOr<MountView> view_below(const std::string& directory) {
  MountView view{UniqueFd(::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)),
                 UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC))};
  if (!view.space.valid() || !view.root.valid()) return errno_status(directory);
  return view;
}

absl::StatusOr<std::vector<MountCopy>> copy_mounts(const MountView& view, const std::vector<std::string>& paths) {
  std::vector<MountCopy> copies;
  absl::Status status;
  std::thread([&] { status = copy_inside(view, paths, &copies); }).join();
  RETURN_IF_ERROR(status);
  return copies;
}

}  // namespace gnomon::shadow
