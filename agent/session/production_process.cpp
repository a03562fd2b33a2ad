#include "agent/session/production_process.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::session {

absl::StatusOr<ProductionProcess> ProductionProcess::open(const std::string& proc,
                                                          const discovery::Instance& instance) {
  ProductionProcess process;
  process.pid_ = instance.pid;
  process.pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, instance.pid, 0)));
  const auto now = discovery::read_process(proc, instance.pid);
  struct stat program {};
  const bool read = ::stat(fmt::format("{}/{}/exe", proc, instance.pid).c_str(), &program) == 0;
  if (!process.pidfd_.valid() || !now || now->start_ticks != instance.start_ticks || !read)
    return absl::NotFoundError(fmt::format("production's process {} has ended", instance.pid));
  process.device_ = program.st_dev;
  process.inode_ = program.st_ino;
  return process;
}

bool ProductionProcess::alive() const {
  pollfd wait{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&wait, 1, 0) == 0;
}

absl::Status ProductionProcess::ended() const {
  return absl::AbortedError(fmt::format("production's process {} has ended", pid_));
}

}  // namespace gnomon::session
