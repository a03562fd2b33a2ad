#include "agent/shadow/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "common/status.h"

namespace gnomon::shadow {

absl::StatusOr<std::unique_ptr<OutputTail>> OutputTail::open(uid_t uid, gid_t gid) {
  std::unique_ptr<OutputTail> tail(new OutputTail);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("pipe");
  tail->read_end_.reset(ends[0]);
  tail->write_end_.reset(ends[1]);
  if (::fchown(ends[1], uid, gid) != 0) return errno_status("pipe for the shadow's output");
  tail->stop_.reset(::eventfd(0, EFD_CLOEXEC));
  tail->done_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!tail->stop_.valid() || !tail->done_.valid()) return errno_status("eventfd");
  tail->thread_ = std::thread([raw = tail.get()] { raw->read_all(); });
  return tail;
}

OutputTail::~OutputTail() {
  const std::uint64_t one = 1;
  if (thread_.joinable()) {
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
}

std::vector<std::string> OutputTail::lines() const {
  const std::lock_guard lock(mutex_);
  return {lines_.begin(), lines_.end()};
}

void OutputTail::drain(int timeout_ms) {
  pollfd wait{done_.get(), POLLIN, 0};
  ::poll(&wait, 1, timeout_ms);
}

void OutputTail::read_all() {
  char buffer[4096];
  while (true) {
    pollfd waits[2] = {{read_end_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) break;
    if (waits[1].revents != 0) break;
    if (waits[0].revents == 0) continue;
    const ssize_t length = ::read(read_end_.get(), buffer, sizeof buffer);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) break;
    add(buffer, static_cast<std::size_t>(length));
  }
  const std::uint64_t one = 1;
  while (::write(done_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

void OutputTail::add(const char* text, std::size_t length) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < length; ++i) {
    if (text[i] == '\n') {
      complete_ = true;
      continue;
    }
    if (complete_) {
      lines_.emplace_back();
      if (lines_.size() > kLines) lines_.pop_front();
      complete_ = false;
    }
    if (lines_.back().size() < kLineBytes) lines_.back() += text[i];
  }
}

}  // namespace gnomon::shadow
