// A session's phases: warm-up, blocks in pieces, pauses, and what may change between them.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/session/session_impl.h"
#include "common/log.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kTrafficTimeout = 30s;  // how long a warm-up is drawn out while nothing has been captured
constexpr Nanos kLeastPatience = 15s, kMostPatience = 2min;  // with a latency that is not steady
constexpr Nanos kTooQuiet = 5s;      // without requests enough for a window: to wait for three would take long
constexpr Nanos kDrainTimeout = 1s;  // for answers still due when a piece of a block ends
constexpr double kTrustedDeviation = 0.1;

using Activity = ProgressMeter::Activity;

// A quarter of what is to be measured after it.
Nanos longest_warm_up(const Plan& plan) {
  Nanos blocks{0};
  for (const Block& block : plan.blocks) blocks += block.duration;
  return std::max(plan.warm_up, std::clamp<Nanos>(blocks / 4, kLeastPatience, kMostPatience));
}

}  // namespace

// The share of production's requests that is captured: what was asked for, unless what is measured differs markedly
// (few connections, unequally busy). Under TLS what was asked for: handshakes look like requests to the kernel.
double Session::Impl::effective_fraction() const {
  const double asked = fraction.load().value;
  if (tls.spoken) return asked;
  const double measured = observer->recent_fraction().value_or(asked);
  return std::abs(measured - asked) > kTrustedDeviation * asked ? measured : asked;
}

// What was measured up to now belongs to the phase that ends.
absl::Status Session::Impl::enter_phase(int block, double load_multiple, bool noisy) {
  RETURN_IF_ERROR(observe());
  RETURN_IF_ERROR(set_off(false));
  adjust_resources();
  const double capacity = static_cast<double>(report.shadow_cpu.value) / static_cast<double>(instance.cpu.value);
  const double sampled = effective_fraction();
  phase = {.block = block, .multiplicity = sampled > 0 ? load_multiple * capacity / sampled : 0};
  ASSIGN_OR_RETURN(phase.noise, noise.enter(block, noisy));
  load->set_phase(phase);
  note_representativeness();
  report.noise_engine = noise.engines();
  report.current_block = block;
  report.sampled_fraction = sampled;
  report.multiplicity = phase.multiplicity;
  return absl::OkStatus();
}

// From here on the block counts for the verdict; nothing else changes, its multiplicity least of all.
absl::Status Session::Impl::settle() {
  RETURN_IF_ERROR(observe());
  phase.settled = true;
  load->set_phase(phase);
  turn_to(Activity::kMeasuring);
  return absl::OkStatus();
}

// Ends when the shadow's latency is steady, but not before its time, nor long after it, nor where there are too few
// requests to tell.
absl::Status Session::Impl::warm_up() {
  RETURN_IF_ERROR(enter_phase(-1, 1, false));
  progress.begin(-1, clock.now());
  turn_to(Activity::kWarmingUp);
  say(State::kWarming);
  steadiness = {};
  is_warming = true;
  const MonoTime start = clock.now();
  const Nanos longest = longest_warm_up(plan);
  RETURN_IF_ERROR(wait_until(start + plan.warm_up));
  MonoTime last_window = start;
  while (observer->captured_requests() == 0 && clock.now() < start + kTrafficTimeout) {
    say(State::kWarming, "no request captured yet: waiting for traffic on sampled connections");
    RETURN_IF_ERROR(wait_until(clock.now() + kSampleEvery));
    last_window = clock.now();
  }
  for (std::size_t windows = 0; !steadiness.steady() && clock.now() < start + longest;) {
    if (steadiness.windows() > windows) last_window = clock.now();
    if (clock.now() - last_window >= kTooQuiet) break;
    windows = steadiness.windows();
    say(State::kWarming, "the shadow's latency is not steady yet: " + steadiness.describe());
    RETURN_IF_ERROR(wait_until(clock.now() + kSampleEvery));
  }
  is_warming = false;
  const Nanos length = look_length(longest);
  RETURN_IF_ERROR(look_until(clock.now() + length, length));
  report.warm_up = fmt::format("{} after {}: {}", steadiness.steady() ? "steady" : "not known to be steady",
                               format_duration(clock.now() - start), steadiness.describe());
  RETURN_IF_ERROR(drain());
  return pause(length);
}

absl::Status Session::Impl::run_block(const Block& block) {
  progress.begin(block.index, clock.now());
  for (const Nanos piece : pauses.cut(block.duration - block.settle)) RETURN_IF_ERROR(run_piece(block, piece));
  ASSIGN_OR_RETURN(report.noise_checks, noise.checks());
  report.completed_blocks.push_back(block.index);
  on_report(report);
  return absl::OkStatus();
}

// A part of a block, or all of it, up to a pause.
absl::Status Session::Impl::run_piece(const Block& block, Nanos measured) {
  RETURN_IF_ERROR(enter_phase(block.index, block.treatment ? plan.profile.load_multiple : 1, block.treatment));
  turn_to(Activity::kSettling);
  say(State::kRunning, resources_problem.empty() || followed.empty() ? resources_problem + followed
                                                                     : resources_problem + "; " + followed);
  RETURN_IF_ERROR(wait_until(clock.now() + block.settle));
  RETURN_IF_ERROR(settle());
  const MonoTime start = clock.now();
  const Nanos length = look_length(measured);
  if (unpaired) {
    RETURN_IF_ERROR(look_until(start + length, length));
    RETURN_IF_ERROR(compare(window, *std::exchange(unpaired, std::nullopt)));
  }
  RETURN_IF_ERROR(look_until(start + measured, length));
  RETURN_IF_ERROR(drain());
  return pause(length);
}

// How long production is looked at to tell its p99.
Nanos Session::Impl::look_length(Nanos most) const {
  return window_length(production_requests, production_span, most);
}

// Waits, and has the last `length` of it in `window`.
absl::Status Session::Impl::look_until(MonoTime deadline, Nanos length) {
  RETURN_IF_ERROR(wait_until(deadline - length));
  RETURN_IF_ERROR(observe());
  window = {};
  RETURN_IF_ERROR(wait_until(deadline));
  return observe();
}

// Lets what is scheduled or in flight be answered, without new load, then cuts off the rest: what follows must not pay
// for it.
absl::Status Session::Impl::drain() {
  working = std::exchange(window, {});
  RETURN_IF_ERROR(enter_phase(-1, 0, false));
  turn_to(Activity::kDraining);
  const MonoTime deadline = clock.now() + kDrainTimeout + noise.longest_delay();
  do {
    RETURN_IF_ERROR(wait_until(std::min(deadline, clock.now() + 20ms)));
  } while (load->outstanding() > 0 && clock.now() < deadline);
  load->flush();
  return observe();
}

// For a while the session is off: what production's service time is now, against that of the work beside it, is what
// the session costs it.
absl::Status Session::Impl::pause(Nanos length) {
  RETURN_IF_ERROR(set_off(true));
  turn_to(Activity::kPausing);
  RETURN_IF_ERROR(look_until(clock.now() + length, length));
  RETURN_IF_ERROR(set_off(false));
  if (pauses.before()) return compare(working, window);
  unpaired = window;
  return absl::OkStatus();
}

// No new connections are sampled, nothing is replayed (see drain()), and the shadow hardly runs. Nothing is
// re-attached.
absl::Status Session::Impl::set_off(bool is_off) {
  if (off == is_off) return absl::OkStatus();
  off = is_off;
  observer->leave_out_of_recent(is_off);
  RETURN_IF_ERROR(production->set_off(is_off));
  if (is_off) {
    ASSIGN_OR_RETURN(held, HeldCpu::hold(kProc, kCgroup, shadow->pid()));
    return absl::OkStatus();
  }
  return held.let_go();
}

absl::Status Session::Impl::compare(const Watchdog::Window& on, const Watchdog::Window& paused) {
  watchdog.add(on, paused);
  report.production_cost = watchdog.cost();
  on_report(report);
  if (!watchdog.exceeded()) return absl::OkStatus();
  return absl::ResourceExhaustedError("ended: " + *watchdog.exceeded() +
                                      "; ask for less load or CPU, or set shadow.max_production_cost");
}

void Session::Impl::note_representativeness() {
  const auto likeness = production->representativeness();
  if (!likeness) return;
  report.representativeness = likeness->score;
  report.least_represented = likeness->worst();
}

// Takes over a fraction that was asked for meanwhile. Where single requests are chosen it is true at once, and the load
// on the shadow is kept as it is; of connections it is true for new ones alone, and the next phase goes by what is
// measured.
absl::Status Session::Impl::adjust_fraction() {
  const Fraction asked = fraction.load();
  if (asked.value == applied_fraction.value || off) return absl::OkStatus();
  const double before = std::exchange(applied_fraction, asked).value;
  RETURN_IF_ERROR(production->set_fraction(asked));
  if (!production->draws_requests()) return absl::OkStatus();
  phase.multiplicity *= before / asked.value;
  load->set_phase(phase);
  report.sampled_fraction *= asked.value / before;
  report.multiplicity = phase.multiplicity;
  on_report(report);
  return absl::OkStatus();
}

// Load and limits change together, between blocks. What does not fit leaves the shadow as it was.
void Session::Impl::adjust_resources() {
  Resources asked;
  {
    const std::lock_guard lock(resources_mutex);
    asked = resolve(resources, instance);
  }
  if (asked == applied_resources) return;
  applied_resources = asked;  // asked for once: not again in each block if it cannot be had
  const absl::Status changed = shadow->set_limits(asked.cpu, asked.memory, asked.io_weight);
  resources_problem = changed.ok() ? "" : "resources stay as they are: " + std::string(changed.message());
  if (!changed.ok()) {
    spdlog::warn("session {}: {}", plan.id, resources_problem);
    return;
  }
  report.shadow_cpu = asked.cpu;
  report.shadow_memory = asked.memory;
}

}  // namespace gnomon::session
