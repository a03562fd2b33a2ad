#pragma once
// SIGINT and SIGTERM as something to wait for.

#include <signal.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace gnomon::cli {

// Blocks both signals in this thread and in all that it starts later (so: make it before any other thread).
class StopSignals {
 public:
  static absl::StatusOr<StopSignals> block();

  // Readable when a signal has come.
  int fd() const { return fd_.get(); }
  // Takes one that has come; false if none has.
  bool take();
  // From here on a signal ends the process at once, in this thread.
  void restore();

 private:
  StopSignals(UniqueFd fd, const sigset_t& set) : fd_(std::move(fd)), set_(set) {}
  UniqueFd fd_;
  sigset_t set_;
};

}  // namespace gnomon::cli
