#include "agent/session/load.h"

#include <sched.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "common/status.h"

namespace gnomon::session {

struct Load::Impl {
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::optional<replay::Replayer> replayer;  // touched on the thread only
  std::thread thread;

  // Runs `call` on the replayer's thread and waits for what it returns.
  template <class Call>
  auto ask(Call call) {
    std::packaged_task<std::invoke_result_t<Call, replay::Replayer&>()> task([this, &call] { return call(*replayer); });
    auto answer = task.get_future();
    boost::asio::post(io, [&task] { task(); });
    return answer.get();
  }
};

absl::StatusOr<std::unique_ptr<Load>> Load::start(int netns, replay::Target target, replay::Limits limits,
                                                  std::uint64_t seed) {
  auto impl = std::make_unique<Impl>();
  std::promise<int> entered;
  impl->thread = std::thread([&entered, netns, limits, seed, self = impl.get(), target = std::move(target)] {
    if (::setns(netns, CLONE_NEWNET) != 0) {
      entered.set_value(errno);
      return;
    }
    self->replayer.emplace(self->io, target, limits, seed);
    entered.set_value(0);
    self->io.run();
    self->replayer.reset();
  });
  const int error = entered.get_future().get();
  auto load = std::unique_ptr<Load>(new Load(std::move(impl)));
  if (error != 0) return errno_status(error, "replay: cannot enter the shadow's network namespace");
  return load;
}

Load::Load(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Load::~Load() {
  impl_->work.reset();
  impl_->io.stop();
  impl_->thread.join();
}

void Load::offer(std::vector<protocol::Request> requests) {
  boost::asio::post(impl_->io, [impl = impl_.get(), requests = std::move(requests)]() mutable {
    for (protocol::Request& request : requests) impl->replayer->offer(std::move(request));
  });
}

void Load::end_connection(std::uint64_t conn_id) {
  boost::asio::post(impl_->io, [impl = impl_.get(), conn_id] { impl->replayer->end_connection(conn_id); });
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
