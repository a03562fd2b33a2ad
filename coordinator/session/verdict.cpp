#include "coordinator/session/verdict.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/status.h"
#include "coordinator/judge/judge.h"
#include "coordinator/session/noise_verdict.h"
#include "document/profile.h"
#include "document/service.h"
#include "telemetry/wire.h"

namespace gnomon::session {
namespace {

void add(judge::BlockData& block, const telemetry::Sample& sample) {
  block.response_time.merge(sample.response_time);
  block.service_time.merge(sample.service_time);
  block.replayed += sample.replayed;
  block.replay_errors += sample.replay_errors;
  block.requests += sample.requests;
  // The mean so far, weighted by time.
  const double before = static_cast<double>(block.span.count()), here = static_cast<double>(sample.span.count());
  if (before + here > 0)
    block.memory_bytes = static_cast<std::uint64_t>(
        (static_cast<double>(block.memory_bytes) * before + static_cast<double>(sample.memory_bytes) * here) /
        (before + here));
  block.span += sample.span;
  block.cpu += sample.cpu;
  block.throttled += sample.throttled;
}

absl::StatusOr<std::vector<judge::BlockData>> completed_blocks(const v1::Session& session,
                                                               const std::vector<v1::Sample>& samples) {
  const std::set<int> completed(session.status().completed_blocks().begin(), session.status().completed_blocks().end());
  std::map<int, judge::BlockData> blocks;
  for (const v1::Block& block : session.spec().blocks())
    if (completed.count(block.index()) && block.pair() >= 0)  // -1: the profile was changed since
      blocks[block.index()] = {.pair = block.pair(), .treatment = block.kind() == v1::BLOCK_KIND_TREATMENT};
  for (const v1::Sample& wire : samples) {
    if (wire.role() != v1::ROLE_SHADOW || !wire.settled()) continue;
    const auto block = blocks.find(wire.block());
    if (block == blocks.end()) continue;
    ASSIGN_OR_RETURN(const telemetry::Sample sample, telemetry::from_wire(wire));
    add(block->second, sample);
  }
  std::vector<judge::BlockData> data;
  for (auto& [index, block] : blocks) data.push_back(std::move(block));
  return data;
}

v1::Outcome to_wire(judge::Outcome outcome) {
  switch (outcome) {
    case judge::Outcome::kAsExpected:
      return v1::OUTCOME_AS_EXPECTED;
    case judge::Outcome::kAnomaly:
      return v1::OUTCOME_ANOMALY;
    case judge::Outcome::kInconclusive:
      break;
  }
  return v1::OUTCOME_INCONCLUSIVE;
}

v1::Verdict to_wire(const judge::Verdict& verdict) {
  v1::Verdict wire;
  wire.set_outcome(to_wire(verdict.outcome));
  wire.set_summary(verdict.summary);
  for (const judge::MetricVerdict& metric : verdict.metrics) {
    v1::MetricVerdict& out = *wire.add_metrics();
    out.set_metric(metric.metric);
    out.set_unit(metric.unit);
    out.set_outcome(to_wire(metric.outcome));
    out.set_control(metric.control);
    out.set_treatment(metric.treatment);
    out.set_shift(metric.shift);
    out.set_shift_low(metric.shift_low);
    out.set_shift_high(metric.shift_high);
    out.set_expected_shift(metric.expected_shift);
    out.set_tolerance(metric.tolerance);
    out.set_pairs(metric.pairs);
    out.set_reason(metric.reason);
  }
  return wire;
}

}  // namespace

absl::StatusOr<v1::Verdict> judge_session(const v1::Session& session, const std::vector<v1::Sample>& samples) {
  ASSIGN_OR_RETURN(const document::Profile profile, document::validate(session.spec().profile()));
  ASSIGN_OR_RETURN(const document::Service service, document::validate(session.spec().service()));
  ASSIGN_OR_RETURN(const std::vector<judge::BlockData> blocks, completed_blocks(session, samples));
  judge::Tolerance tolerance;
  if (service.slo_latency_p99)  // a service that may take a second is not alarmed about over two milliseconds
    tolerance.latency_absolute = std::max(tolerance.latency_absolute, *service.slo_latency_p99 / 10);
  v1::Verdict verdict = to_wire(judge::judge(blocks, expected_of(profile), tolerance));
  take_checks_into_account(session.status(), verdict);
  if (session.status().state() == v1::SESSION_STATE_FAILED) {
    if (verdict.outcome() == v1::OUTCOME_AS_EXPECTED) verdict.set_outcome(v1::OUTCOME_INCONCLUSIVE);
    const bool ended = session.status().production_cost().exceeded();  // then the message begins with "ended: "
    verdict.set_summary((ended ? "The session was " : "The session failed before its end: ") +
                        session.status().message() + ". Until then: " + verdict.summary());
  }
  return verdict;
}

}  // namespace gnomon::session
