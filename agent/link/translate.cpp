#include "agent/link/translate.h"

#include "common/status.h"

namespace gnomon::link {
namespace {

using std::chrono::milliseconds;

v1::SessionState to_wire(session::State state) {
  switch (state) {
    case session::State::kPending:
      return v1::SESSION_STATE_PENDING;
    case session::State::kStarting:
      return v1::SESSION_STATE_STARTING;
    case session::State::kWarming:
      return v1::SESSION_STATE_WARMING;
    case session::State::kRunning:
      return v1::SESSION_STATE_RUNNING;
    case session::State::kCompleted:
      return v1::SESSION_STATE_COMPLETED;
    case session::State::kFailed:
      break;
  }
  return v1::SESSION_STATE_FAILED;
}

v1::InstanceStatus to_wire(const InstanceReport& report) {
  v1::InstanceStatus wire;
  wire.set_service(report.service);
  wire.set_error(report.error);
  if (!report.error.empty()) return wire;
  wire.set_pid(static_cast<std::uint32_t>(report.instance.pid));
  wire.set_command(report.instance.command);
  for (const discovery::ListenSocket& listener : report.instance.listeners) wire.add_listen(listener.to_string());
  wire.set_cpu_milli(report.instance.cpu.value);
  wire.set_memory_bytes(report.instance.memory.value);
  return wire;
}

v1::ProductionCost to_wire(const session::ProductionCost& cost) {
  v1::ProductionCost wire;
  wire.set_pauses(cost.pauses);
  wire.set_p99_ratio(cost.p99_ratio);
  wire.set_p99_ratio_low(cost.p99_ratio_low);
  wire.set_p99_ratio_high(cost.p99_ratio_high);
  wire.set_throttled_on(cost.throttled_on);
  wire.set_throttled_off(cost.throttled_off);
  wire.set_bound(cost.bound);
  wire.set_p99_on_ns(cost.p99_on.count());
  wire.set_p99_off_ns(cost.p99_off.count());
  wire.set_throttles_on(cost.throttles_on);
  wire.set_throttles_off(cost.throttles_off);
  wire.set_lost_on(cost.lost_on);
  wire.set_lost_off(cost.lost_off);
  wire.set_left_out(cost.left_out);
  wire.set_exceeded(cost.exceeded);
  return wire;
}

v1::NoiseCheck to_wire(const noise::Check& check) {
  v1::NoiseCheck wire;
  wire.set_kind(check.kind);
  wire.set_engine(check.engine);
  wire.set_asked(check.asked);
  wire.set_measured(check.measured);
  wire.set_low(check.low);
  wire.set_high(check.high);
  wire.set_samples(check.samples);
  wire.set_off(check.off);
  wire.set_dependency(check.dependency);
  return wire;
}

v1::ResponseComparison to_wire(const compare::Counts& counts) {
  using compare::Outcome;
  v1::ResponseComparison wire;
  wire.set_endpoint(counts.endpoint);
  wire.set_same(counts.of(Outcome::kSame));
  wire.set_other_status(counts.of(Outcome::kOtherStatus));
  wire.set_other_size(counts.of(Outcome::kOtherSize));
  wire.set_other_body(counts.of(Outcome::kOtherBody));
  wire.set_lost(counts.of(Outcome::kLost));
  wire.set_truncated(counts.of(Outcome::kTruncated));
  wire.set_unpaired(counts.of(Outcome::kUnpaired));
  wire.set_unanswered(counts.of(Outcome::kUnanswered));
  wire.set_unsupported(counts.of(Outcome::kUnsupported));
  wire.set_too_many(counts.of(Outcome::kTooMany));
  return wire;
}

v1::SessionProgress to_wire(const session::Progress& progress) {
  const auto ms = [](Nanos span) { return std::chrono::duration_cast<milliseconds>(span).count(); };
  v1::SessionProgress wire;
  wire.set_activity(progress.activity);
  wire.set_planned_ms(ms(progress.planned));
  wire.set_done_ms(ms(progress.done));
  wire.set_besides_ms(ms(progress.besides));
  wire.set_left_ms(ms(progress.left));
  wire.set_pauses(progress.pauses);
  return wire;
}

v1::SessionStatus to_wire(const session::Report& report) {
  v1::SessionStatus wire;
  wire.set_id(report.id);
  wire.set_state(to_wire(report.state));
  wire.set_message(report.message);
  for (int block : report.completed_blocks) wire.add_completed_blocks(block);
  wire.set_current_block(report.current_block);
  wire.set_shadow_pid(static_cast<std::uint32_t>(report.shadow_pid));
  wire.set_shadow_cpu_milli(report.shadow_cpu.value);
  wire.set_shadow_memory_bytes(report.shadow_memory.value);
  wire.set_sampled_fraction(report.sampled_fraction);
  wire.set_multiplicity(report.multiplicity);
  if (report.representativeness) wire.set_representativeness(*report.representativeness);
  wire.set_least_represented(report.least_represented);
  wire.set_noise_engine(report.noise_engine);
  for (const egress::Attempt& attempt : report.egress) {
    v1::EgressAttempt& added = *wire.add_egress();
    added.set_destination(attempt.destination);
    added.set_transport(attempt.transport);
    added.set_action(attempt.action);
    added.set_attempts(attempt.attempts);
  }
  wire.set_warm_up(report.warm_up);
  if (report.production_cost) *wire.mutable_production_cost() = to_wire(*report.production_cost);
  for (const noise::Check& check : report.noise_checks) *wire.add_noise_checks() = to_wire(check);
  for (const compare::Counts& counts : report.responses) *wire.add_responses() = to_wire(counts);
  wire.set_responses_problem(report.responses_problem);
  wire.set_oci_runtime(report.oci_runtime);
  *wire.mutable_progress() = to_wire(report.progress);
  for (const std::string& line : report.log_tail) wire.add_log_tail(line);
  return wire;
}

absl::StatusOr<session::Block> from_wire(const v1::Block& wire, int position) {
  const std::string name = "blocks[" + std::to_string(position) + "]";
  if (wire.index() != position)
    return absl::InvalidArgumentError(name + ".index: " + std::to_string(wire.index()) +
                                      ": blocks are numbered in order");
  if (wire.kind() != v1::BLOCK_KIND_CONTROL && wire.kind() != v1::BLOCK_KIND_TREATMENT)
    return absl::InvalidArgumentError(name + ".kind: neither control nor treatment; this agent may be too old");
  if (wire.duration_ms() <= 0 || wire.settle_ms() < 0 || wire.settle_ms() >= wire.duration_ms())
    return absl::InvalidArgumentError(name + ": it lasts " + std::to_string(wire.duration_ms()) +
                                      " ms and settles for " + std::to_string(wire.settle_ms()) +
                                      " ms: nothing would be left to measure");
  return session::Block{.index = wire.index(),
                        .treatment = wire.kind() == v1::BLOCK_KIND_TREATMENT,
                        .duration = milliseconds(wire.duration_ms()),
                        .settle = milliseconds(wire.settle_ms())};
}

absl::StatusOr<session::Plan> from_wire(const v1::SessionSpec& wire) {
  session::Plan plan{.id = wire.id()};
  absl::StatusOr<document::Service> service = document::validate(wire.service());
  if (!service.ok()) return annotate(service.status(), "service");
  absl::StatusOr<document::Profile> profile = document::validate(wire.profile());
  if (!profile.ok()) return annotate(profile.status(), "profile");
  plan.service = *std::move(service);
  plan.profile = *std::move(profile);
  plan.seed = wire.seed();
  if (wire.warm_up_ms() < 0) return absl::InvalidArgumentError("warm_up_ms: is negative");
  plan.warm_up = milliseconds(wire.warm_up_ms());
  if (wire.blocks().empty()) return absl::InvalidArgumentError("blocks: there are none");
  for (int i = 0; i < wire.blocks_size(); ++i) {
    ASSIGN_OR_RETURN(const session::Block block, from_wire(wire.blocks(i), i));
    plan.blocks.push_back(block);
  }
  plan.completed_blocks.assign(wire.completed_blocks().begin(), wire.completed_blocks().end());
  return plan;
}

}  // namespace

v1::Hello to_wire(const NodeFacts& facts) {
  v1::Hello wire;
  wire.set_node(facts.node);
  wire.set_version(facts.version);
  wire.set_kernel(facts.kernel);
  wire.set_cpus(facts.cpus);
  wire.set_memory_bytes(facts.memory.value);
  wire.set_budget_milli_cpu(facts.budget_cpu.value);
  wire.set_budget_memory_bytes(facts.budget_memory.value);
  return wire;
}

v1::NodeStatus to_wire(const NodeReport& report) {
  v1::NodeStatus wire;
  wire.set_applied_revision(report.applied_revision);
  for (const InstanceReport& instance : report.instances) *wire.add_instances() = to_wire(instance);
  for (const session::Report& session : report.sessions) *wire.add_sessions() = to_wire(session);
  return wire;
}

Translated from_wire(const v1::DesiredState& wire) {
  Translated translated;
  translated.state.revision = wire.revision();
  for (const v1::ServiceDescriptor& descriptor : wire.services()) {
    absl::StatusOr<document::Service> service = document::validate(descriptor);
    if (service.ok()) {
      translated.state.services.push_back(*std::move(service));
      continue;
    }
    v1::InstanceStatus& rejected = translated.rejected_services.emplace_back();
    rejected.set_service(descriptor.name());
    rejected.set_error(std::string(service.status().message()));
  }
  for (const v1::SessionSpec& spec : wire.sessions()) {
    absl::StatusOr<session::Plan> plan = from_wire(spec);
    if (plan.ok()) {
      translated.state.sessions.push_back(*std::move(plan));
      continue;
    }
    v1::SessionStatus& rejected = translated.rejected_sessions.emplace_back();
    rejected.set_id(spec.id());
    rejected.set_state(v1::SESSION_STATE_FAILED);
    rejected.set_message("the session's specification is not valid: " + std::string(plan.status().message()));
    rejected.set_current_block(-1);
  }
  return translated;
}

}  // namespace gnomon::link
