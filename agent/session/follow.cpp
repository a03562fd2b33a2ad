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
  report.current_block = -1;
  phase = {.block = -1, .multiplicity = 0};
  load->set_phase(phase);
  load->flush();
  turn_to(ProgressMeter::Activity::kWaiting);
  // Warming up, so that the coordinator leaves out what the interrupted block has measured.
  say(State::kWarming,
      fmt::format("{}: waiting for the one that takes its place on port {}", ended, plan.service.port));
  const MonoTime deadline = clock.now() + kComeBack;
  while (true) {
    const absl::Status taken_over = take_over();
    if (taken_over.ok() || absl::IsFailedPrecondition(taken_over)) return taken_over;
    if (clock.now() >= deadline)
      return absl::AbortedError(fmt::format("{}, and none has taken its place within {}: {}", ended,
                                            format_duration(kComeBack), std::string(taken_over.message())));
    RETURN_IF_ERROR(wait(kLookAgain));
  }
}

// Watches who listens on the port now. kFailedPrecondition: it is another program; else it is not there, or not yet, or
// has gone again.
absl::Status Session::Impl::take_over() {
  ASSIGN_OR_RETURN(discovery::Instance next,
                   discovery::find_instance(kProc, kCgroup, plan.service.port, plan.service.pid));
  ASSIGN_OR_RETURN(ProductionProcess process, ProductionProcess::open(kProc, next));
  if (!process.same_program(production_process))
    return absl::FailedPreconditionError(fmt::format(
        "{}, and the one in its place (pid {}) is another program, of which the shadow is no copy: start a new session",
        std::string(production_process.ended().message()), next.pid));
  absl::StatusOr<std::unique_ptr<metrics::UsageReader>> usage = metrics::UsageReader::open(kProc, kCgroup, next.pid);
  if (!usage.ok()) return absl::UnavailableError(usage.status().message());
  if (const absl::Status watched = production->watch(next); !watched.ok())
    return absl::UnavailableError(watched.message());
  observer->follow(*std::move(usage));
  followed = fmt::format("{}, {} has taken its place", std::string(production_process.ended().message()), next.pid);
  spdlog::info("session {}: {}", plan.id, followed);
  instance = std::move(next);
  production_process = std::move(process);
  next_sample = clock.now() + kSampleEvery;
  return absl::OkStatus();
}

}  // namespace gnomon::session
