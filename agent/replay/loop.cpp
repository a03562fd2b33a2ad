#include "agent/replay/loop.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace gnomon::replay {

using std::chrono::steady_clock;

namespace {

// The kernel may wake a thousandth of a wait too late, which is to stay below what counts as late.
constexpr Nanos kLongestWait = std::chrono::milliseconds(100);

int must(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return fd;
}

timespec to_timespec(Nanos time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {.tv_sec = seconds.count(), .tv_nsec = (time - seconds).count()};
}

}  // namespace

// The events' data is the handler; the loop itself for calls from other threads; null for what is of no interest.
Loop::Loop()
    : epoll_(must(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      posted_(must(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = this}};
  must(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, posted_.get(), &event), "epoll_ctl");
}

bool Loop::control(int operation, int fd, Handler& handler) {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &handler}};
  return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
}

bool Loop::watch(int fd, Handler& handler) {
  return control(EPOLL_CTL_ADD, fd, handler);
}

void Loop::watch_again(int fd, Handler& handler) {
  control(EPOLL_CTL_MOD, fd, handler);
}

void Loop::wake(Handler& handler, MonoTime at) {
  if (handler.time_) times_.erase(*handler.time_);
  handler.time_ = times_.emplace(std::max(at, past_ + Nanos(1)), &handler);
}

void Loop::forget(Handler& handler) {
  if (handler.time_) times_.erase(*std::exchange(handler.time_, std::nullopt));
  for (int i = next_; i < ready_; ++i)
    if (events_[static_cast<std::size_t>(i)].data.ptr == &handler)
      events_[static_cast<std::size_t>(i)].data.ptr = nullptr;
}

void Loop::post(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    if (calls_.size() > 1) return;  // it is awake, or will be
  }
  ::eventfd_write(posted_.get(), 1);  // each write is an edge, so that nobody has to read it
}

void Loop::call_posted() {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(calls_);
  }
  for (const auto& call : calls) call();
}

void Loop::stop() {
  post([this] { stopped_ = true; });
}

void Loop::run() {
  while (!stopped_) run_once(std::chrono::hours(1));
}

void Loop::run_once(Nanos at_most) {
  if (!times_.empty()) at_most = std::min<Nanos>(at_most, times_.begin()->first - steady_clock::now());
  ready_ = wait(std::max(at_most, Nanos(0)));
  for (next_ = 0; next_ < ready_;) {
    const epoll_event event = events_[static_cast<std::size_t>(next_++)];
    if (event.data.ptr == this)
      call_posted();
    else if (event.data.ptr != nullptr)
      static_cast<Handler*>(event.data.ptr)->on_ready(event.events);
  }
  if (times_.empty()) return;
  past_ = steady_clock::now();
  while (!times_.empty() && times_.begin()->first <= past_) {
    Handler& handler = *times_.begin()->second;
    times_.erase(*std::exchange(handler.time_, std::nullopt));
    handler.on_time();
  }
}

// epoll_pwait2 came with Linux 5.11, and a container's filter of system calls may not know it.
int Loop::wait(Nanos patience) {
  const int room = static_cast<int>(events_.size());
  if (patience == Nanos(0)) return std::max(0, ::epoll_wait(epoll_.get(), events_.data(), room, 0));
  if (!timer_) {
    const timespec time = to_timespec(times_.empty() ? patience : std::min(patience, kLongestWait));
    const int ready = ::epoll_pwait2(epoll_.get(), events_.data(), room, &time, nullptr);
    if (ready >= 0 || (errno != ENOSYS && errno != EPERM)) return std::max(0, ready);
    timer_.emplace(must(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create"));
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
    must(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, timer_->get(), &event), "epoll_ctl");
  }
  const itimerspec once{.it_interval = {}, .it_value = to_timespec(patience)};
  ::timerfd_settime(timer_->get(), 0, &once, nullptr);
  return std::max(0, ::epoll_wait(epoll_.get(), events_.data(), room, -1));
}

}  // namespace gnomon::replay
