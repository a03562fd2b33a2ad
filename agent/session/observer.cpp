#include "agent/session/observer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/probe/thinning.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

constexpr std::chrono::duration<double> kHalfLife = std::chrono::seconds(5);
constexpr double kFewRequests = 50;

void add(const replay::Reading& reading, telemetry::Sample& sample) {
  sample.response_time.merge(reading.response_time);
  sample.replayed += reading.replayed;
  sample.replay_errors += reading.errors;
  sample.injected_errors += reading.injected_errors;
  sample.replay += reading.counters;
}

}  // namespace

telemetry::Histogram difference(const telemetry::Histogram& later, const telemetry::Histogram& earlier) {
  telemetry::Histogram result;
  for (const auto& [bucket, count] : later.buckets()) {
    const auto before = earlier.buckets().find(bucket);
    result.add_bucket(bucket, count - (before == earlier.buckets().end() ? 0 : std::min(count, before->second)));
  }
  result.add_sum(later.sum() - earlier.sum());
  return result;
}

Observer::Observer(probe::Probe& probe, std::string session_id, const Clock& clock, Subject production, Subject shadow)
    : probe_(probe),
      session_id_(std::move(session_id)),
      clock_(clock),
      production_{std::move(production), {}, {}},
      shadow_{std::move(shadow), {}, {}},
      last_look_(clock.now()) {
  for (Side* side : {&production_, &shadow_})
    if (auto usage = side->subject.usage->read(); usage.ok()) side->last_usage = *usage;
}

absl::StatusOr<telemetry::Sample> Observer::look_at(Side& side, telemetry::Role role) {
  ASSIGN_OR_RETURN(probe::Reading reading, probe_.read(side.subject.slot));
  ASSIGN_OR_RETURN(const metrics::Usage usage, side.subject.usage->read());
  const auto count = [&](probe_counter counter) { return reading.counter[counter] - side.last.counter[counter]; };
  telemetry::Sample sample{.session_id = session_id_, .role = role};
  sample.service_time = difference(reading.service_time, side.last.service_time);
  sample.requests = count(PROBE_REQUESTS);
  sample.errors = count(PROBE_STATUS_ERROR);
  // A process that ended takes its /proc account with it: the tree's sum may shrink.
  sample.cpu = std::max(Nanos(0), usage.cpu - side.last_usage.cpu);
  sample.throttled = std::max(Nanos(0), usage.throttled - side.last_usage.throttled);
  sample.throttles = usage.throttles - std::min(usage.throttles, side.last_usage.throttles);
  sample.memory_bytes = usage.memory.value;
  side.last = std::move(reading);
  side.last_usage = usage;
  return sample;
}

absl::StatusOr<std::vector<telemetry::Sample>> Observer::look(int block, bool settled,
                                                              const telemetry::TapCounters& capture,
                                                              std::vector<replay::Reading> readings) {
  ASSIGN_OR_RETURN(telemetry::Sample production, look_at(production_, telemetry::Role::kProduction));
  ASSIGN_OR_RETURN(telemetry::Sample shadow, look_at(shadow_, telemetry::Role::kShadow));

  telemetry::TapCounters tap = capture;
  const auto& counter = production_.last.counter;
  tap.connections = counter[PROBE_CONNECTIONS];
  tap.sampled_connections = counter[PROBE_SAMPLED];
  tap.bytes = counter[PROBE_BYTES];
  tap.lost_records = counter[PROBE_RING_FULL];
  tap.lost_bytes += counter[PROBE_RING_FULL_BYTES] + counter[PROBE_UNREADABLE] + counter[PROBE_SKIPPED_BYTES];
  tap.unreadable_bytes = counter[PROBE_UNREADABLE];
  tap.spliced_bytes = counter[PROBE_SPLICED];
  tap.zero_copied_bytes = counter[PROBE_ZERO_COPIED];
  tap.discarded_bytes = counter[PROBE_DISCARDED];
  tap.other_call_bytes = counter[PROBE_OTHER_CALL];
  tap.holes = counter[PROBE_HOLES];
  tap.tls_unseen = counter[PROBE_TLS_UNSEEN];
  tap.paused_bytes = counter[PROBE_PAUSED];
  tap.peeked = counter[PROBE_PEEKED];
  tap.status_unknown = counter[PROBE_STATUS_UNKNOWN];
  tap.response_bytes = production_.last.response[RESPONSE_BYTES];
  tap.response_lost_bytes = production_.last.response[RESPONSE_LOST];
  tap.response_unreadable_bytes = production_.last.response[RESPONSE_UNREADABLE];
  production.tap = telemetry::difference(tap, last_tap_);
  last_tap_ = tap;

  const MonoTime now = clock_.now();
  const WallTime wall = clock_.wall_now();
  const Nanos span = now - std::exchange(last_look_, now);
  if (!leave_out_) note_recent(production, span);
  RETURN_IF_ERROR(thin(production, span));

  std::vector<telemetry::Sample> samples;
  const auto finish = [&](telemetry::Sample& sample, int of_block, bool is_settled) {
    sample.end = wall;
    sample.block = of_block;
    sample.settled = is_settled;
  };
  for (telemetry::Sample* sample : {&production, &shadow}) {
    finish(*sample, block, settled);
    sample->span = span;
  }
  for (const replay::Reading& reading : readings) {
    if (reading.block == block && reading.settled == settled) {
      add(reading, shadow);
      continue;
    }
    telemetry::Sample late{.session_id = session_id_, .role = telemetry::Role::kShadow};
    finish(late, reading.block, reading.settled);
    add(reading, late);
    samples.push_back(std::move(late));
  }
  samples.push_back(std::move(production));
  samples.push_back(std::move(shadow));
  return samples;
}

void Observer::note_recent(const telemetry::Sample& production, Nanos span) {
  const double kept = std::exp2(-std::chrono::duration<double>(span) / kHalfLife);
  recent_requests_ = recent_requests_ * kept + static_cast<double>(production.requests);
  recent_captured_ =
      recent_captured_ * kept + static_cast<double>(production.tap.requests - production.tap.unsampled_requests);
}

absl::Status Observer::thin(const telemetry::Sample& production, Nanos span) {
  const double seconds = std::chrono::duration<double>(span).count();
  if (seconds <= 0) return absl::OkStatus();
  const unsigned wanted = probe::thinning_for(static_cast<double>(production.requests) / seconds, thinning_);
  if (wanted == thinning_) return absl::OkStatus();
  thinning_ = wanted;
  return probe_.set_thinning(production_.subject.slot, wanted);
}

void Observer::follow(std::unique_ptr<metrics::UsageReader> usage) {
  production_.subject.usage = std::move(usage);
  if (auto now = production_.subject.usage->read(); now.ok()) production_.last_usage = *now;
}

std::optional<double> Observer::recent_fraction() const {
  if (recent_captured_ < kFewRequests || recent_requests_ <= 0) return std::nullopt;
  return std::min(1.0, recent_captured_ / recent_requests_);
}

}  // namespace gnomon::session
