// What a session does when production's process ends: goes on with the one that takes its place, or ends and says why.

#include <fmt/format.h>

#include <utility>

#include "agent/session/session_impl.h"
#include "common/log.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kComeBack = 30s;
constexpr Nanos kLookAgain = 100ms;
constexpr unsigned kMostRestarts = 5;

}  // namespace

// A step that production's end has spoilt is done again from its beginning, with the process that has taken its place.
absl::Status Session::Impl::with_production(const std::function<absl::Status()>& step) {
  while (true) {
    const absl::Status done = step();
    if (done.ok() || absl::IsCancelled(done) || production_process.alive()) return done;
    RETURN_IF_ERROR(follow_production());
  }
}

absl::Status Session::Impl::follow_production() {
  const std::string ended(production_process.ended().message());
  if (plan.service.pid)
    return absl::AbortedError(ended +
                              ", and the descriptor names it: what takes its place is not followed "
                              "(leave out discovery.pid, and it is)");
  if (++restarts > kMostRestarts)
    return absl::AbortedError(fmt::format("{}, the {}th in this session: it is ended", ended, restarts));
  RETURN_IF_ERROR(set_off(false));
  unpaired.reset();
  is_warming = false;
  phase = {.block = -1, .multiplicity = 0};
  load->set_phase(phase);
  load->flush();
  // Warming up, so that the coordinator leaves out what the interrupted block has measured.
  say(State::kWarming,
      fmt::format("{}: waiting for the one that takes its place on port {}", ended, plan.service.port));
  ASSIGN_OR_RETURN(discovery::Instance next, await_production());
  ASSIGN_OR_RETURN(ProductionProcess process, ProductionProcess::open(kProc, next));
  if (!process.same_program(production_process))
    return absl::AbortedError(fmt::format(
        "{}, and the one in its place (pid {}) is another program, of which the shadow is no copy: start a new session",
        ended, next.pid));
  ASSIGN_OR_RETURN(auto usage, metrics::UsageReader::open(kProc, kCgroup, next.pid));
  RETURN_IF_ERROR(production->watch(next));
  observer->follow(std::move(usage));
  spdlog::info("session {}: {}; process {} has taken its place", plan.id, ended, next.pid);
  instance = std::move(next);
  production_process = std::move(process);
  next_sample = clock.now() + kSampleEvery;
  return absl::OkStatus();
}

absl::StatusOr<discovery::Instance> Session::Impl::await_production() {
  const MonoTime deadline = clock.now() + kComeBack;
  while (true) {
    auto found = discovery::find_instance(kProc, kCgroup, plan.service.port, plan.service.pid);
    if (found.ok()) return found;
    if (clock.now() >= deadline)
      return absl::AbortedError(fmt::format("{}, and none has taken its place within {}: {}",
                                            std::string(production_process.ended().message()),
                                            format_duration(kComeBack), std::string(found.status().message())));
    RETURN_IF_ERROR(wait(kLookAgain));
  }
}

}  // namespace gnomon::session
