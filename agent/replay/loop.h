#pragma once
// One thread's events: sockets that can be read or written, points in time, and calls from other threads. In place of
// Boost.Asio's, with which a replayed request costs three system calls, not two (docs/cost.md).

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "common/unique_fd.h"

namespace gnomon::replay {

// All calls on the thread that runs it, unless said otherwise. It must outlive its handlers.
class Loop {
 public:
  class Handler;
  using Times = std::multimap<MonoTime, Handler*>;

  // What is called for one socket and one point in time. It must be forgotten before it goes.
  class Handler {
   public:
    Handler() = default;
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;
    virtual ~Handler() = default;
    virtual void on_ready(std::uint32_t) {}  // events of epoll
    virtual void on_time() {}

   private:
    friend class Loop;
    std::optional<Times::iterator> time_;
  };

  Loop();  // throws std::system_error where there is no descriptor left

  // Calls on_ready() when `fd` can be read or written after it could not, and when its peer ends. False: errno tells.
  bool watch(int fd, Handler& handler);
  // … and once more for what is so already.
  void watch_again(int fd, Handler& handler);
  // Calls on_time() once, at `at` (0.1 ms late at most on an idle machine), in place of what was asked for before. What
  // is in the past waits for its turn after the sockets'.
  void wake(Handler& handler, MonoTime at);
  // Calls it no more. Its socket is its owner's to close.
  void forget(Handler& handler);

  // From any thread: runs `call` on the loop's. What is posted first is called first.
  void post(std::function<void()> call);
  void stop();  // from any thread: run() returns

  void run();
  // Waits until there is something to do, for `at_most`, and does it.
  void run_once(Nanos at_most);

 private:
  bool control(int operation, int fd, Handler& handler);
  int wait(Nanos patience);
  void call_posted();

  const UniqueFd epoll_, posted_;
  std::optional<UniqueFd> timer_;  // where the kernel cannot wait for less than a millisecond without
  std::array<epoll_event, 128> events_;
  int ready_ = 0;  // of these, not handled yet: [next_, ready_)
  int next_ = 0;
  Times times_;
  MonoTime past_{};  // up to where on_time() was called
  bool stopped_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> calls_;
};

}  // namespace gnomon::replay
