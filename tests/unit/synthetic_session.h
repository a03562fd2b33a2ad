#pragma once
// A made-up session with the shape of a real one: 50 ms of injected delay, six blocks of ten seconds.

#include <cmath>

#include "cli/render/session_view.h"
#include "telemetry/wire.h"

namespace gnomon::cli {

inline void add_metric(v1::Verdict& verdict, const char* metric, const char* unit, v1::Outcome outcome, double control,
                       double shift, double half_width, double expected, double tolerance) {
  v1::MetricVerdict& out = *verdict.add_metrics();
  out.set_metric(metric);
  out.set_unit(unit);
  out.set_outcome(outcome);
  out.set_control(control);
  out.set_treatment(control + shift);
  out.set_shift(shift);
  out.set_shift_low(shift - half_width);
  out.set_shift_high(shift + half_width);
  out.set_expected_shift(expected);
  out.set_tolerance(tolerance);
  out.set_pairs(3);
  if (outcome != v1::OUTCOME_AS_EXPECTED) out.set_reason("the interval lies above what the profile predicts");
}

inline v1::Session synthetic_session() {
  v1::Session session;
  session.set_id("s-7f3a91c2");
  session.set_node("db-host-3");
  session.set_service("payment_processing_v3");
  session.set_created_unix_ms(1'790'000'000'000);
  session.mutable_spec()->set_warm_up_ms(5000);
  session.mutable_spec()->set_seed(42);
  for (int i = 0; i < 6; ++i) {
    v1::Block& block = *session.mutable_spec()->add_blocks();
    block.set_index(i);
    block.set_kind(i == 0 || i == 3 || i == 4 ? v1::BLOCK_KIND_CONTROL : v1::BLOCK_KIND_TREATMENT);
    block.set_duration_ms(10'000);
    block.set_settle_ms(2000);
    block.set_pair(i / 2);
  }
  v1::ShadowInstanceProfile& profile = *session.mutable_spec()->mutable_profile();
  profile.set_service_descriptor("payment_processing_v3");
  profile.mutable_resource_allocation()->set_cpu("0.25x production");
  profile.mutable_noise_parameters()->set_response_delay_mean("50ms");
  profile.mutable_noise_parameters()->set_error_rate("0.01");
  profile.add_testing_scenarios("simulated_peak_load_2x");
  v1::SessionStatus& status = *session.mutable_status();
  status.set_state(v1::SESSION_STATE_RUNNING);
  status.set_current_block(1);
  status.set_shadow_cpu_milli(250);
  status.set_shadow_memory_bytes(256u << 20);
  status.set_sampled_fraction(0.0492);
  status.set_multiplicity(10.1);
  status.set_noise_engine("replayer");
  status.set_oci_runtime("/usr/sbin/runc");
  v1::SessionProgress& progress = *status.mutable_progress();
  progress.set_activity("measuring");
  progress.set_planned_ms(65'000);
  progress.set_done_ms(13'000);
  progress.set_besides_ms(4400);
  progress.set_left_ms(66'000);
  progress.set_pauses(2);
  return session;
}

inline v1::Verdict synthetic_verdict() {
  v1::Verdict verdict;
  verdict.set_outcome(v1::OUTCOME_ANOMALY);
  verdict.set_summary("Throttling rose by 12.4%, more than the profile predicts; everything else is as expected.");
  const auto ok = v1::OUTCOME_AS_EXPECTED;
  add_metric(verdict, "response_time_p50", "ns", ok, 1.2e6, 50.1e6, 0.6e6, 50e6, 12e6);
  add_metric(verdict, "response_time_p99", "ns", ok, 4.1e6, 71e6, 4e6, 73e6, 14e6);
  add_metric(verdict, "service_time_p50", "ns", ok, 0.41e6, 0.05e6, 0.02e6, 0, 2e6);
  add_metric(verdict, "service_time_p99", "ns", v1::OUTCOME_INCONCLUSIVE, 2.1e6, 1.4e6, 1.9e6, 0, 2e6);
  add_metric(verdict, "error_rate", "ratio", ok, 0, 0.0102, 0.0008, 0.01, 0.01);
  add_metric(verdict, "throttled_share", "ratio", v1::OUTCOME_ANOMALY, 0.01, 0.124, 0.03, 0, 0.05);
  add_metric(verdict, "cpu_per_request", "ns", ok, 210e3, 8e3, 11e3, 0, 60e3);
  return verdict;
}

// Second `i` (0 is the first of five of warm-up) of production or the shadow.
inline telemetry::Sample synthetic_sample(int i, bool shadow) {
  const int block = i < 5 ? -1 : (i - 5) / 10;
  const bool treatment = shadow && (block == 1 || block == 2 || block == 5);
  const double wave = 1 + 0.12 * std::sin(i / 4.0) + 0.03 * std::cos(i * 1.7);
  telemetry::Sample sample;
  sample.session_id = "s-7f3a91c2";
  sample.role = shadow ? telemetry::Role::kShadow : telemetry::Role::kProduction;
  sample.end = WallTime(std::chrono::milliseconds(1'790'000'001'000 + i * 1000));
  sample.span = std::chrono::seconds(1);
  sample.block = block;
  sample.settled = block >= 0 && (i - 5) % 10 >= 2;
  sample.requests = static_cast<std::uint64_t>((shadow ? (treatment ? 310 : 155) : 1240) * wave);
  const auto us = [](double value) { return Nanos(static_cast<long>(value * 1000)); };
  sample.service_time.record(us((shadow ? 420 : 390) * wave), 97);
  sample.service_time.record(us((treatment ? 3900 : 1900) * wave * wave), 3);
  sample.memory_bytes = (shadow ? 61u : 188u) << 20;
  sample.cpu = us((shadow ? (treatment ? 95'000 : 52'000) : 410'000) * wave);
  if (!shadow) {
    sample.tap = {
        .connections = 12, .sampled_connections = 1, .bytes = 61'000, .requests = 61, .lost_records = i == 30};
    return sample;
  }
  sample.throttled = us(treatment ? 130'000 * wave : 9000);
  sample.response_time.record(us((treatment ? 50'900 : 1250) * wave), 95);
  sample.response_time.record(us((treatment ? 72'000 : 4200) * wave), 5);
  sample.replayed = sample.requests;
  sample.injected_errors = sample.replay_errors = treatment ? 3 : 0;
  sample.replay = {.offered = 61, .copies = sample.requests, .answered = sample.requests, .shed = i == 31 ? 2u : 0u};
  return sample;
}

// The whole session, with its verdict unless `running_until` (in seconds) is given.
inline SessionView synthetic_view(int running_until = 65) {
  v1::SessionEvent event;
  *event.mutable_session() = synthetic_session();
  for (int i = 0; i < running_until; ++i)
    for (const bool shadow : {false, true}) *event.add_samples() = telemetry::to_wire(synthetic_sample(i, shadow));
  if (running_until == 65) {
    v1::SessionStatus& status = *event.mutable_session()->mutable_status();
    status.set_state(v1::SESSION_STATE_COMPLETED);
    status.mutable_progress()->set_done_ms(status.progress().planned_ms());
    status.mutable_progress()->clear_activity();
    status.mutable_progress()->clear_left_ms();
    *event.mutable_session()->mutable_verdict() = synthetic_verdict();
  }
  SessionView view;
  view.add(event);
  return view;
}

}  // namespace gnomon::cli
