#include "agent/session/session.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "agent/session/session_impl.h"
#include "common/log.h"
#include "common/status.h"

namespace gnomon::session {

void Session::Impl::say(State state, std::string message) {
  report.state = state;
  report.message = std::move(message);
  on_report(report);
}

void Session::Impl::turn_to(ProgressMeter::Activity activity) {
  progress.turn_to(activity, clock.now());
  report.progress = progress.tell(clock.now());
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
  report.progress = progress.tell(clock.now());
  report.progress.activity.clear();
  report.progress.left = Nanos(0);
  if (status.ok()) {
    say(State::kCompleted, followed);
  } else {
    spdlog::warn("session {}: {}", plan.id, std::string(status.message()));
    say(State::kFailed, std::string(status.message()));
  }
}

absl::Status Session::Impl::execute() {
  turn_to(ProgressMeter::Activity::kStarting);
  say(State::kStarting);
  RETURN_IF_ERROR(start_shadow());
  RETURN_IF_ERROR(attach());
  RETURN_IF_ERROR(with_production([this] { return warm_up(); }));
  for (const Block& block : plan.blocks) {
    if (std::ranges::count(report.completed_blocks, block.index) > 0) continue;
    RETURN_IF_ERROR(with_production([&] { return run_block(block); }));
  }
  return absl::OkStatus();
}

absl::Status Session::Impl::start_shadow() {
  ASSIGN_OR_RETURN(instance, discovery::find_instance(kProc, kCgroup, plan.service.port, plan.service.pid));
  ASSIGN_OR_RETURN(production_process, ProductionProcess::open(kProc, instance));
  const Resources limits = applied_resources = resolve(plan.profile, instance);
  if (plan.service.image) say(State::kStarting, "unpacking the image " + plan.service.image->text());
  auto started = services.runtime.start({.id = plan.id,
                                         .instance = instance,
                                         .cpu = limits.cpu,
                                         .memory = limits.memory,
                                         .io_weight = limits.io_weight,
                                         .bundle = plan.service.bundle,
                                         .image = plan.service.image,
                                         .egress = plan.service.egress,
                                         .stop = stop_event.get()});
  if (!started.ok()) return annotate(started.status(), "shadow");
  shadow = *std::move(started);
  report.message.clear();
  report.shadow_pid = shadow->pid();
  report.shadow_cpu = limits.cpu;
  report.shadow_memory = limits.memory;
  report.oci_runtime = services.runtime.oci_runtime();
  on_report(report);
  return absl::OkStatus();
}

absl::Status Session::Impl::attach() {
  ASSIGN_OR_RETURN(const std::vector<UniqueFd> shadow_listeners,
                   shadow->wait_ready({.timeout = plan.service.readiness.timeout,
                                       .http_path = plan.service.readiness.http_path,
                                       .protocol = plan.service.protocol,
                                       .stop = stop_event.get()}));
  replay::Target target{.address = shadow->address(), .port = shadow->port()};
  ASSIGN_OR_RETURN(tls, find_tls(kProc, instance.pid, shadow->replay_netns(), target, stop_event.get()));
  target.tls = tls.spoken;
  ASSIGN_OR_RETURN(target.client.password, read_password(services.credentials, plan.service.name));
  if (plan.service.comparison.level == document::Comparison::Level::kBody)
    target.client.kept_body_bytes = plan.service.comparison.bytes.value;
  ASSIGN_OR_RETURN(shadow_slot, services.probe.take_slot());
  RETURN_IF_ERROR(services.probe.measure_whole(*shadow_slot));
  for (const UniqueFd& listener : shadow_listeners)
    RETURN_IF_ERROR(services.probe.watch_listener(listener.get(), *shadow_slot));

  replay::Limits limits;
  // Copies drawn in one block must be out before the next one counts.
  if (!plan.blocks.empty()) limits.copy_spread = std::min(limits.copy_spread, plan.blocks.front().settle);
  RETURN_IF_ERROR(noise.start(*shadow, plan.service.egress));
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
  report.responses_problem = production->responses_problem();
  return production->watch(instance);
}

// Waits, at most so long, for the session's end, the shadow's (both are errors), or until `also` is readable.
absl::Status Session::Impl::wait(Nanos at_most, int also) {
  pollfd events[] = {{.fd = stop_event.get(), .events = POLLIN, .revents = 0},
                     {.fd = shadow->pidfd(), .events = POLLIN, .revents = 0},
                     {.fd = also, .events = POLLIN, .revents = 0}};
  const auto patience = std::chrono::ceil<std::chrono::milliseconds>(at_most);
  if (::poll(events, 3, static_cast<int>(patience.count())) < 0 && errno != EINTR) return errno_status("session: poll");
  if (events[0].revents != 0) return absl::CancelledError("the session was ended");
  if (events[1].revents != 0)
    return absl::AbortedError(
        "the shadow died; its last lines tell why (out of memory? then raise resource_allocation.memory)");
  return absl::OkStatus();
}

absl::Status Session::Impl::wait_until(MonoTime deadline) {
  while (true) {
    const MonoTime now = clock.now();
    if (now >= next_sample) {
      RETURN_IF_ERROR(observe());
      continue;
    }
    if (now >= deadline) break;
    RETURN_IF_ERROR(wait(std::min(deadline, next_sample) - now, production_process.pidfd()));
    if (!production_process.alive()) return production_process.ended();
  }
  return absl::OkStatus();
}

absl::Status Session::Impl::observe() {
  RETURN_IF_ERROR(adjust_fraction());
  next_sample = clock.now() + kSampleEvery;
  std::vector<replay::Reading> readings = load->take();
  noise.take(readings);
  ASSIGN_OR_RETURN(auto samples,
                   observer->look(phase.block, phase.settled, production->counters(), std::move(readings)));
  for (const telemetry::Sample& sample : samples) {
    if (sample.role == telemetry::Role::kShadow && is_warming) steadiness.add(sample.service_time);
    if (sample.role != telemetry::Role::kProduction) continue;
    window.add(sample);
    production_requests += sample.requests;
    production_span += sample.span;
  }
  on_samples(std::move(samples));
  report.egress = shadow->egress_attempts();
  report.responses = production->responses();
  report.progress = progress.tell(clock.now());
  on_report(report);
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

void Session::set_noise(const document::Profile& profile) {
  impl_->noise.set(profile);
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
