#include "agent/shadow/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

// One int and, if that is zero, one descriptor.
bool send_result(int socket, int error, int fd) {
  iovec data{&error, sizeof error};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (error == 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof error);
}

bool receive_result(int socket, MountCopy* result) {
  iovec data{&result->error, sizeof result->error};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t length = 0;
  do {
    length = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  } while (length < 0 && errno == EINTR);
  if (length != static_cast<ssize_t>(sizeof result->error)) return false;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    result->fd.reset(fd);
  }
  return true;
}

// In a forked child, which may be the copy of a process with threads: system calls only, no memory, no locks.
[[noreturn]] void copy_in_child(int socket, int mount_namespace, int root, const std::vector<std::string>& paths) {
  if (::setns(mount_namespace, CLONE_NEWNS) != 0 || ::fchdir(root) != 0 || ::chroot(".") != 0) {
    send_result(socket, errno, -1);
    ::_exit(1);
  }
  for (const std::string& path : paths) {
    const int fd = ::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (!send_result(socket, fd < 0 ? errno : 0, fd)) ::_exit(1);
    if (fd >= 0) ::close(fd);
  }
  ::_exit(0);
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
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_status("socketpair");
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return errno_status("fork");
  if (child == 0) copy_in_child(theirs.get(), view.space.get(), view.root.get(), paths);
  theirs.reset();
  std::vector<MountCopy> copies(paths.size());
  std::size_t received = 0;
  while (received < copies.size() && receive_result(ours.get(), &copies[received])) ++received;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || received != copies.size()) {
    return errno_status(copies.empty() || copies[0].error == 0 ? EIO : copies[0].error,
                        "entering a mount namespace (needs CAP_SYS_ADMIN)");
  }
  return copies;
}

}  // namespace gnomon::shadow
