#include "agent/session/session.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "agent/discovery/instance.h"
#include "agent/session/load.h"
#include "agent/session/noise_control.h"
#include "agent/session/observer.h"
#include "agent/session/production.h"
#include "agent/session/resources.h"
#include "agent/session/tls.h"
#include "agent/session/watchdog.h"
#include "common/log.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

constexpr char kProc[] = "/proc";
constexpr char kCgroup[] = "/sys/fs/cgroup";
constexpr Nanos kSampleEvery = 1s;
constexpr Nanos kTrafficTimeout = 30s;  // how long a warm-up is drawn out while nothing has been captured
constexpr Nanos kPause = 700ms;
constexpr Nanos kDrainTimeout = 1s;  // for answers still due when a block ends
constexpr double kTrustedDeviation = 0.1;

}  // namespace

struct Session::Impl {
  Impl(Plan session_plan, Services node, OnReport report_to, OnSamples samples_to)
      : plan(std::move(session_plan)),
        services(node),
        on_report(std::move(report_to)),
        on_samples(std::move(samples_to)),
        stop_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        fraction(plan.service.sampled_fraction),
        applied_fraction(plan.service.sampled_fraction) {
    report.id = plan.id;
    report.completed_blocks = plan.completed_blocks;
  }

  void run();
  absl::Status execute();
  absl::Status start_shadow();
  absl::Status attach();
  absl::Status capture_production();
  absl::Status warm_up();
  absl::Status run_block(const Block& block);
  absl::Status drain();
  absl::Status pause();
  absl::Status wait_until(MonoTime deadline);
  absl::Status observe();
  absl::Status enter_phase(int block, double load_multiple, bool noisy);
  absl::Status settle();
  double effective_fraction() const;
  absl::Status adjust_fraction();
  void adjust_resources();
  void note_representativeness();
  void say(State state, std::string message = "");
  void tear_down();

  const Plan plan;
  const Services services;
  const OnReport on_report;
  const OnSamples on_samples;
  const UniqueFd stop_event;
  const SystemClock clock;
  std::atomic<Fraction> fraction;  // that is wanted
  std::mutex resources_mutex;      // guards the profile whose resources are wanted
  document::Profile resources = plan.profile;
  Report report;

  discovery::Instance instance;
  std::unique_ptr<shadow::Shadow> shadow;
  std::optional<probe::Slot> shadow_slot;
  Tls tls;
  NoiseControl noise{plan.profile.noise, clock};
  std::unique_ptr<Load> load;
  std::unique_ptr<Observer> observer;
  replay::Phase phase;
  MonoTime next_sample;
  Fraction applied_fraction;
  Resources applied_resources;
  std::string resources_problem;  // why they are not what was asked for last

  Watchdog watchdog{plan.service.max_production_cost};
  Watchdog::Window window;   // of production, since it was last emptied
  Watchdog::Window working;  // the end of the block before

  std::mutex tap_mutex;  // guards the pointer, which the tap's thread follows
  std::unique_ptr<Production> production;

  std::thread thread;
};

void Session::Impl::say(State state, std::string message) {
  report.state = state;
  report.message = std::move(message);
  on_report(report);
}

void Session::Impl::run() {
  absl::Status status = execute();
  // The last, partial second counts as well, however the session ends.
  if (!status.ok() && observer) status.Update(observe());
  if (shadow) report.egress = shadow->egress_attempts();
  if (!status.ok() && shadow) report.log_tail = shadow->log_tail();
  tear_down();
  if (absl::IsCancelled(status)) return;
  report.current_block = -1;
  if (status.ok()) {
    say(State::kCompleted);
  } else {
    spdlog::warn("session {}: {}", plan.id, std::string(status.message()));
    say(State::kFailed, std::string(status.message()));
  }
}

absl::Status Session::Impl::execute() {
  say(State::kStarting);
  RETURN_IF_ERROR(start_shadow());
  RETURN_IF_ERROR(attach());
  RETURN_IF_ERROR(warm_up());
  for (const Block& block : plan.blocks) {
    if (std::ranges::count(report.completed_blocks, block.index) > 0) continue;
    RETURN_IF_ERROR(run_block(block));
  }
  return absl::OkStatus();
}

absl::Status Session::Impl::start_shadow() {
  ASSIGN_OR_RETURN(instance, discovery::find_instance(kProc, kCgroup, plan.service.port, plan.service.pid));
  const Resources limits = applied_resources = resolve(plan.profile, instance);
  auto started = services.runtime.start({.id = plan.id,
                                         .instance = instance,
                                         .cpu = limits.cpu,
                                         .memory = limits.memory,
                                         .bundle = plan.service.bundle,
                                         .egress = plan.service.egress});
  if (!started.ok()) return annotate(started.status(), "shadow");
  shadow = *std::move(started);
  report.shadow_pid = shadow->pid();
  report.shadow_cpu = limits.cpu;
  report.shadow_memory = limits.memory;
  on_report(report);
  return absl::OkStatus();
}

absl::Status Session::Impl::attach() {
  ASSIGN_OR_RETURN(const std::vector<UniqueFd> shadow_listeners,
                   shadow->wait_ready(plan.service.readiness.timeout, plan.service.readiness.http_path));
  replay::Target target{.address = shadow->address(), .port = shadow->port()};
  ASSIGN_OR_RETURN(tls, find_tls(kProc, instance.pid, shadow->replay_netns(), target));
  target.tls = tls.spoken;
  ASSIGN_OR_RETURN(shadow_slot, services.probe.take_slot());
  for (const UniqueFd& listener : shadow_listeners)
    RETURN_IF_ERROR(services.probe.watch_listener(listener.get(), *shadow_slot));

  replay::Limits limits;
  // Copies drawn in one block must be out before the next one counts.
  if (!plan.blocks.empty()) limits.copy_spread = std::min(limits.copy_spread, plan.blocks.front().settle);
  RETURN_IF_ERROR(noise.start(shadow->pid(), shadow->replay_netns(), shadow->port()));
  ASSIGN_OR_RETURN(load, Load::start(shadow->replay_netns(), target, limits, plan.seed));
  RETURN_IF_ERROR(capture_production());

  ASSIGN_OR_RETURN(auto production_usage, metrics::UsageReader::open(kProc, kCgroup, instance.pid));
  ASSIGN_OR_RETURN(auto shadow_usage, metrics::UsageReader::open(kProc, kCgroup, shadow->pid()));
  observer = std::make_unique<Observer>(services.probe, plan.id, clock,
                                        Observer::Subject{production->slot(), std::move(production_usage)},
                                        Observer::Subject{*shadow_slot, std::move(shadow_usage)});
  next_sample = clock.now() + kSampleEvery;
  return absl::OkStatus();
}

absl::Status Session::Impl::capture_production() {
  document::Service service = plan.service;
  service.sampled_fraction = fraction.load();
  ASSIGN_OR_RETURN(auto made, Production::make(
                                  services.probe, service, plan.seed, tls,
                                  [this](std::vector<protocol::Request> requests) { load->offer(std::move(requests)); },
                                  [this](std::uint64_t conn_id) { load->end_connection(conn_id); }));
  {
    const std::lock_guard lock(tap_mutex);
    production = std::move(made);
  }
  return production->watch(instance);
}

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
  return absl::OkStatus();
}

absl::Status Session::Impl::warm_up() {
  RETURN_IF_ERROR(enter_phase(-1, 1, false));
  say(State::kWarming);
  const MonoTime start = clock.now();
  RETURN_IF_ERROR(wait_until(start + plan.warm_up));
  while (observer->captured_requests() == 0 && clock.now() < start + kTrafficTimeout) {
    say(State::kWarming, "no request captured yet: waiting for traffic on sampled connections");
    RETURN_IF_ERROR(wait_until(clock.now() + kSampleEvery));
  }
  return absl::OkStatus();
}

absl::Status Session::Impl::run_block(const Block& block) {
  const MonoTime start = clock.now();
  const double load_multiple = block.treatment ? plan.profile.load_multiple : 1;
  RETURN_IF_ERROR(enter_phase(block.index, load_multiple, block.treatment));
  say(State::kRunning, resources_problem);
  RETURN_IF_ERROR(wait_until(start + block.settle));
  RETURN_IF_ERROR(settle());
  RETURN_IF_ERROR(wait_until(start + block.duration - kPause));
  RETURN_IF_ERROR(observe());
  window = {};
  RETURN_IF_ERROR(wait_until(start + block.duration));
  RETURN_IF_ERROR(drain());
  if (block.treatment) RETURN_IF_ERROR(pause());
  ASSIGN_OR_RETURN(report.noise_checks, noise.checks());
  report.completed_blocks.push_back(block.index);
  on_report(report);
  return absl::OkStatus();
}

// Lets what is scheduled or in flight be answered, without new load, then cuts off the rest: a block must not pay for
// the one before.
absl::Status Session::Impl::drain() {
  RETURN_IF_ERROR(enter_phase(-1, 0, false));
  working = std::exchange(window, {});
  const MonoTime deadline = clock.now() + kDrainTimeout + noise.longest_delay();
  do {
    RETURN_IF_ERROR(wait_until(std::min(deadline, clock.now() + 20ms)));
  } while (load->outstanding() > 0 && clock.now() < deadline);
  load->flush();
  return observe();
}

// Nothing is replayed for a while: production's service time now, against that of the end of the treatment before, is
// what the session's work costs it.
absl::Status Session::Impl::pause() {
  window = {};
  RETURN_IF_ERROR(wait_until(clock.now() + kPause));
  RETURN_IF_ERROR(observe());
  watchdog.add(working, window);
  report.production_cost = watchdog.cost();
  if (!watchdog.exceeded()) return absl::OkStatus();
  return absl::ResourceExhaustedError(describe(*report.production_cost) +
                                      ": more than shadow.max_production_cost; lower the profile's load or resources");
}

absl::Status Session::Impl::wait_until(MonoTime deadline) {
  while (true) {
    const MonoTime now = clock.now();
    if (now >= next_sample) {
      RETURN_IF_ERROR(observe());
      continue;
    }
    if (now >= deadline) break;
    pollfd events[] = {{.fd = stop_event.get(), .events = POLLIN, .revents = 0},
                       {.fd = shadow->pidfd(), .events = POLLIN, .revents = 0}};
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(std::min(deadline, next_sample) - now);
    if (::poll(events, 2, static_cast<int>(wait.count())) < 0 && errno != EINTR) return errno_status("session: poll");
    if (events[0].revents != 0) return absl::CancelledError("the session was ended");
    if (events[1].revents != 0)
      return absl::AbortedError(
          "the shadow died; its last lines tell why (out of memory? then raise resource_allocation.memory)");
  }
  return absl::OkStatus();
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
  if (asked.value == applied_fraction.value) return absl::OkStatus();
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
  const absl::Status changed = shadow->set_limits(asked.cpu, asked.memory);
  resources_problem = changed.ok() ? "" : "resources stay as they are: " + std::string(changed.message());
  if (!changed.ok()) {
    spdlog::warn("session {}: {}", plan.id, resources_problem);
    return;
  }
  report.shadow_cpu = asked.cpu;
  report.shadow_memory = asked.memory;
}

absl::Status Session::Impl::observe() {
  RETURN_IF_ERROR(adjust_fraction());
  next_sample = clock.now() + kSampleEvery;
  std::vector<replay::Reading> readings = load->take();
  noise.take(readings);
  ASSIGN_OR_RETURN(auto samples,
                   observer->look(phase.block, phase.settled, production->counters(), std::move(readings)));
  for (const telemetry::Sample& sample : samples) {
    if (sample.role != telemetry::Role::kProduction) continue;
    window.service_time.merge(sample.service_time);
    window.throttled += sample.throttled;
    window.span += sample.span;
  }
  on_samples(std::move(samples));
  report.egress = shadow->egress_attempts();
  return absl::OkStatus();
}

void Session::Impl::tear_down() {
  std::unique_ptr<Production> watched;
  {
    const std::lock_guard lock(tap_mutex);
    watched = std::move(production);
  }
  watched.reset();  // outside of the lock: the tap's thread may be waiting for it
  if (shadow_slot) services.probe.release_slot(*shadow_slot);
  load.reset();
  observer.reset();
  shadow.reset();
}

Session::Session(Plan plan, Services services, OnReport on_report, OnSamples on_samples)
    : impl_(std::make_unique<Impl>(std::move(plan), services, std::move(on_report), std::move(on_samples))) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Session::~Session() {
  ::eventfd_write(impl_->stop_event.get(), 1);
  impl_->thread.join();
}

void Session::set_sampled_fraction(Fraction fraction) {
  impl_->fraction = fraction;
}

void Session::set_noise(const document::Noise& noise) {
  impl_->noise.set(noise);
}

void Session::set_resources(const document::Profile& profile) {
  const std::lock_guard lock(impl_->resources_mutex);
  impl_->resources = profile;
}

bool Session::record(const tap_record& header, std::span<const std::byte> payload) {
  const std::lock_guard lock(impl_->tap_mutex);
  return impl_->production && impl_->production->record(header, payload);
}

}  // namespace gnomon::session
