#include "cli/render/session_view.h"

#include <algorithm>

#include "fmt/format.h"
#include "telemetry/wire.h"

namespace gnomon::cli {
namespace {

constexpr Nanos kShortestPoint = std::chrono::milliseconds(300);

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

void SessionView::add(const v1::SessionEvent& event) {
  if (event.has_session()) session_ = event.session();
  for (const v1::Sample& wire : event.samples()) {
    const auto sample = telemetry::from_wire(wire);
    if (sample.ok())
      add_sample(*sample);
    else
      ++undecodable_;
  }
}

void SessionView::add_sample(const telemetry::Sample& sample) {
  tap_ += sample.tap;
  replay_ += sample.replay;
  // Responses that came after their block's end arrive as samples without a span: they count, but are no rate.
  if (sample.span.count() <= 0) return;
  const bool shadow = sample.role == telemetry::Role::kShadow;
  // What a phase's last look leaves over is too short to make a rate of.
  if (sample.span < kShortestPoint) return;
  Point point;
  point.end_unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(sample.end.time_since_epoch()).count();
  point.shadow = shadow;
  point.block = sample.block;
  point.seconds = std::chrono::duration<double>(sample.span).count();
  point.requests_per_second = static_cast<double>(sample.requests) / point.seconds;
  const std::uint64_t asked = point.shadow ? sample.replayed : sample.requests;
  const std::uint64_t failed = point.shadow ? sample.replay_errors : sample.errors;
  // A response may come a second after its request was due: never show more failures than requests.
  if (asked > 0) point.error_rate = std::min(1.0, ratio(static_cast<double>(failed), static_cast<double>(asked)));
  point.service_p50 = sample.service_time.quantile(0.5);
  point.service_p99 = sample.service_time.quantile(0.99);
  point.response_p50 = sample.response_time.quantile(0.5);
  point.response_p99 = sample.response_time.quantile(0.99);
  point.cpu = std::chrono::duration<double>(sample.cpu).count() / point.seconds;
  point.throttled = std::min(1.0, std::chrono::duration<double>(sample.throttled).count() / point.seconds);
  point.memory = Bytes{sample.memory_bytes};
  latest_[point.shadow] = points_.size();
  points_.push_back(point);
}

const Point* SessionView::latest(bool shadow) const {
  return latest_[shadow] ? &points_[*latest_[shadow]] : nullptr;
}

telemetry::TapCounters SessionView::tap() const {
  return session_.has_tap() ? telemetry::from_wire(session_.tap()) : tap_;
}

telemetry::ReplayCounters SessionView::replay() const {
  return session_.has_replay() ? telemetry::from_wire(session_.replay()) : replay_;
}

const v1::Block* SessionView::current_block() const {
  if (session_.status().state() != v1::SESSION_STATE_RUNNING) return nullptr;
  for (const v1::Block& block : session_.spec().blocks())
    if (block.index() == session_.status().current_block()) return &block;
  return nullptr;
}

bool has_ended(v1::SessionState state) {
  return state == v1::SESSION_STATE_COMPLETED || state == v1::SESSION_STATE_FAILED ||
         state == v1::SESSION_STATE_CANCELLED;
}

std::string state_name(v1::SessionState state) {
  switch (state) {
    case v1::SESSION_STATE_PENDING:
      return "pending";
    case v1::SESSION_STATE_STARTING:
      return "starting";
    case v1::SESSION_STATE_WARMING:
      return "warming up";
    case v1::SESSION_STATE_RUNNING:
      return "running";
    case v1::SESSION_STATE_COMPLETED:
      return "completed";
    case v1::SESSION_STATE_FAILED:
      return "failed";
    case v1::SESSION_STATE_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

std::string block_kind_name(v1::BlockKind kind) {
  return kind == v1::BLOCK_KIND_TREATMENT ? "treatment" : kind == v1::BLOCK_KIND_CONTROL ? "control" : "unknown";
}

std::vector<CounterRow> counter_rows(const telemetry::TapCounters& tap, const telemetry::ReplayCounters& replay) {
  std::vector<CounterRow> rows;
  const auto add = [&rows]<class Set>(const Set& counters) {
    for (const auto& counter : telemetry::counters_of<Set>())
      rows.push_back({std::string(counter.label), counters.*counter.value, std::string(counter.help), counter.loss});
  };
  add(tap);
  add(replay);
  return rows;
}

std::string describe_losses(const telemetry::TapCounters& tap, const telemetry::ReplayCounters& replay) {
  std::string text;
  for (const CounterRow& row : counter_rows(tap, replay)) {
    if (!row.loss || row.count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", row.count, row.name);
  }
  return text;
}

}  // namespace gnomon::cli
