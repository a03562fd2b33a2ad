#include "cli/signals.h"

#include <sys/signalfd.h>

#include <csignal>

namespace gnomon::cli {

absl::StatusOr<StopSignals> StopSignals::block() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);     // the terminal is gone
  ::signal(SIGPIPE, SIG_IGN);  // so is the reader of our output: what we made must still be removed
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0)
    return errno_status(error, "cannot block signals");
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return errno_status("signalfd");
  return StopSignals(std::move(fd), set);
}

bool StopSignals::take() {
  signalfd_siginfo info{};
  return ::read(fd_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info);
}

void StopSignals::restore() {
  pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
}

}  // namespace gnomon::cli
