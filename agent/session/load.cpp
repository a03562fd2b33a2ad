#include "agent/session/load.h"

#include <sched.h>

#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include "agent/replay/loop.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

// Of requests that the replayer's thread has not taken yet: it may be stalled, and the tap goes on.
constexpr std::size_t kMostInboxBytes = 64u << 20;
// Room for requests that is kept from one hand-over to the next; what a burst took is given back.
constexpr std::size_t kKeptItems = 4096;
// How long requests may wait to be handed over while others come, a small part of the replay's lag: to be woken by the
// tap's thread for each few would cost both threads more.
constexpr Nanos kHandOver = std::chrono::milliseconds(5);

}  // namespace

struct Load::Impl final : replay::Loop::Handler {
  replay::Loop loop;
  std::optional<replay::Replayer> replayer;  // touched on the thread only
  std::thread thread;

  // What the tap's thread hands over, in order; the replayer's thread is woken for the first, and then takes all there
  // is every now and then, until there is nothing.
  struct ConnectionEnd {
    std::uint64_t conn_id;
  };
  using Item = std::variant<protocol::Request, ConnectionEnd>;
  std::mutex inbox_mutex;
  std::vector<Item> inbox;
  std::vector<Item> taken;      // from it, on the replayer's thread; empty between hand-overs
  std::size_t inbox_bytes = 0;  // of the requests
  std::uint64_t turned_away = 0;
  bool collected = false;  // the replayer's thread will look, and need not be woken

  // `fill` adds to the inbox.
  template <class Fill>
  void hand_over(Fill fill) {
    bool wake = false;
    {
      const std::lock_guard lock(inbox_mutex);
      fill();
      wake = !std::exchange(collected, true);
    }
    if (wake) loop.post([this] { on_time(); });
  }

  void on_time() override {
    if (take_inbox()) loop.wake(*this, std::chrono::steady_clock::now() + kHandOver);
  }

  // False: there was nothing.
  bool take_inbox() {
    std::uint64_t dropped = 0;
    {
      const std::lock_guard lock(inbox_mutex);
      taken.swap(inbox);
      dropped = std::exchange(turned_away, 0);
      inbox_bytes = 0;
      collected = dropped > 0 || !taken.empty();
    }
    if (!collected) return false;
    if (dropped > 0) replayer->turn_away(dropped);
    for (Item& item : taken) {
      if (auto* request = std::get_if<protocol::Request>(&item)) {
        replayer->offer(std::move(*request));
      } else {
        replayer->end_connection(std::get<ConnectionEnd>(item).conn_id);
      }
    }
    taken.clear();
    if (taken.capacity() > kKeptItems) std::vector<Item>().swap(taken);
    return true;
  }

  // Runs `call` on the replayer's thread, after what was handed over before, and waits for what it returns.
  template <class Call>
  auto ask(Call call) {
    std::packaged_task<std::invoke_result_t<Call, replay::Replayer&>()> task([this, &call] {
      on_time();
      return call(*replayer);
    });
    auto answer = task.get_future();
    loop.post([&task] { task(); });
    return answer.get();
  }
};

absl::StatusOr<std::unique_ptr<Load>> Load::start(int netns, replay::Target target, replay::Limits limits,
                                                  std::uint64_t seed) {
  std::unique_ptr<Impl> impl;
  try {
    impl = std::make_unique<Impl>();
  } catch (const std::system_error& error) {
    return errno_status(error.code().value(), "replay: no event loop");
  }
  std::promise<int> entered;
  impl->thread = std::thread([&entered, netns, limits, seed, self = impl.get(), target = std::move(target)] {
    if (::setns(netns, CLONE_NEWNET) != 0) {
      entered.set_value(errno);
      return;
    }
    self->replayer.emplace(self->loop, target, limits, seed);
    entered.set_value(0);
    self->loop.run();
    self->replayer.reset();
  });
  const int error = entered.get_future().get();
  auto load = std::unique_ptr<Load>(new Load(std::move(impl)));
  if (error != 0) return errno_status(error, "replay: cannot enter the shadow's network namespace");
  return load;
}

Load::Load(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Load::~Load() {
  impl_->loop.stop();
  impl_->thread.join();
}

void Load::offer(std::vector<protocol::Request> requests) {
  impl_->hand_over([&] {
    for (protocol::Request& request : requests) {
      if (impl_->inbox_bytes > kMostInboxBytes) {
        ++impl_->turned_away;
        continue;
      }
      impl_->inbox_bytes += request.bytes->size();
      impl_->inbox.emplace_back(std::move(request));
    }
  });
}

void Load::end_connection(std::uint64_t conn_id) {
  impl_->hand_over([&] { impl_->inbox.emplace_back(Impl::ConnectionEnd{conn_id}); });
}

void Load::set_phase(const replay::Phase& phase) {
  impl_->ask([&phase](replay::Replayer& replayer) { replayer.set_phase(phase); });
}

void Load::flush() {
  impl_->ask([](replay::Replayer& replayer) { replayer.flush(); });
}

std::size_t Load::outstanding() {
  return impl_->ask([](replay::Replayer& replayer) { return replayer.scheduled() + replayer.in_flight(); });
}

std::vector<replay::Reading> Load::take() {
  return impl_->ask([](replay::Replayer& replayer) { return replayer.take(); });
}

}  // namespace gnomon::session
