#include "telemetry/wire.h"

#include <string>

#include "bpf/abi/histogram.h"

namespace gnomon::telemetry {
namespace {

// More than any span can hold; keeps sums of many samples far from overflow.
constexpr std::uint64_t kMaxCount = 1ull << 48;

absl::Status invalid(const std::string& what) {
  return absl::InvalidArgumentError("sample: " + what);
}

absl::StatusOr<Histogram> named(const char* field, const v1::Histogram& wire) {
  absl::StatusOr<Histogram> histogram = from_wire(wire);
  if (!histogram.ok()) return invalid(std::string(field) + ": " + std::string(histogram.status().message()));
  return histogram;
}

}  // namespace

v1::Histogram to_wire(const Histogram& histogram) {
  v1::Histogram wire;
  std::uint32_t previous = 0;
  for (const auto& [bucket, times] : histogram.buckets()) {
    wire.add_bucket_delta(bucket - previous);
    wire.add_count(times);
    previous = bucket;
  }
  wire.set_sum_ns(histogram.sum().count());
  return wire;
}

absl::StatusOr<Histogram> from_wire(const v1::Histogram& wire) {
  if (wire.bucket_delta_size() != wire.count_size())
    return absl::InvalidArgumentError("histogram: " + std::to_string(wire.bucket_delta_size()) + " buckets but " +
                                      std::to_string(wire.count_size()) + " counts");
  Histogram histogram;
  std::uint64_t bucket = 0;
  for (int i = 0; i < wire.count_size(); ++i) {
    if (i > 0 && wire.bucket_delta(i) == 0) return absl::InvalidArgumentError("histogram: a bucket is named twice");
    bucket += wire.bucket_delta(i);
    if (bucket >= HISTOGRAM_BUCKETS)
      return absl::InvalidArgumentError("histogram: bucket " + std::to_string(bucket) + " is beyond the last, " +
                                        std::to_string(HISTOGRAM_BUCKETS - 1));
    if (wire.count(i) > kMaxCount)
      return absl::InvalidArgumentError("histogram: count " + std::to_string(wire.count(i)) + " is impossible");
    histogram.add_bucket(static_cast<std::uint32_t>(bucket), wire.count(i));
  }
  if (wire.sum_ns() < 0) return absl::InvalidArgumentError("histogram: the sum is negative");
  histogram.add_sum(Nanos(wire.sum_ns()));
  return histogram;
}

// A counter without a field of its name does not compile.
#define GNOMON_SET(field, label, loss, help) wire.set_##field(counters.field);
#define GNOMON_GET(field, label, loss, help) .field = wire.field(),

v1::TapCounters to_wire(const TapCounters& counters) {
  v1::TapCounters wire;
  GNOMON_TAP_COUNTERS(GNOMON_SET)
  return wire;
}

v1::ReplayCounters to_wire(const ReplayCounters& counters) {
  v1::ReplayCounters wire;
  GNOMON_REPLAY_COUNTERS(GNOMON_SET)
  return wire;
}

TapCounters from_wire(const v1::TapCounters& wire) {
  return {GNOMON_TAP_COUNTERS(GNOMON_GET)};
}

ReplayCounters from_wire(const v1::ReplayCounters& wire) {
  return {GNOMON_REPLAY_COUNTERS(GNOMON_GET)};
}

v1::Sample to_wire(const Sample& sample) {
  v1::Sample wire;
  wire.set_session_id(sample.session_id);
  wire.set_role(sample.role == Role::kShadow ? v1::ROLE_SHADOW : v1::ROLE_PRODUCTION);
  wire.set_end_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(sample.end.time_since_epoch()).count());
  wire.set_span_ns(sample.span.count());
  wire.set_block(sample.block);
  wire.set_settled(sample.settled);
  *wire.mutable_service_time() = to_wire(sample.service_time);
  *wire.mutable_response_time() = to_wire(sample.response_time);
  wire.set_requests(sample.requests);
  wire.set_errors(sample.errors);
  wire.set_replayed(sample.replayed);
  wire.set_replay_errors(sample.replay_errors);
  wire.set_injected_errors(sample.injected_errors);
  wire.set_cpu_ns(sample.cpu.count());
  wire.set_throttled_ns(sample.throttled.count());
  wire.set_throttles(sample.throttles);
  wire.set_memory_bytes(sample.memory_bytes);
  *wire.mutable_tap() = to_wire(sample.tap);
  *wire.mutable_replay() = to_wire(sample.replay);
  return wire;
}

absl::StatusOr<Sample> from_wire(const v1::Sample& wire) {
  if (wire.session_id().empty()) return invalid("session_id is missing");
  if (wire.role() != v1::ROLE_PRODUCTION && wire.role() != v1::ROLE_SHADOW)
    return invalid("role " + std::to_string(wire.role()) + " is neither production nor shadow");
  if (wire.span_ns() < 0 || wire.cpu_ns() < 0 || wire.throttled_ns() < 0) return invalid("a duration is negative");
  if (wire.block() < -1) return invalid("block " + std::to_string(wire.block()) + " is below -1");
  absl::StatusOr<Histogram> service_time = named("service_time", wire.service_time());
  if (!service_time.ok()) return service_time.status();
  absl::StatusOr<Histogram> response_time = named("response_time", wire.response_time());
  if (!response_time.ok()) return response_time.status();
  return Sample{.session_id = wire.session_id(),
                .role = wire.role() == v1::ROLE_SHADOW ? Role::kShadow : Role::kProduction,
                .end = WallTime(std::chrono::milliseconds(wire.end_unix_ms())),
                .span = Nanos(wire.span_ns()),
                .block = wire.block(),
                .settled = wire.settled(),
                .service_time = *std::move(service_time),
                .response_time = *std::move(response_time),
                .requests = wire.requests(),
                .errors = wire.errors(),
                .replayed = wire.replayed(),
                .replay_errors = wire.replay_errors(),
                .injected_errors = wire.injected_errors(),
                .cpu = Nanos(wire.cpu_ns()),
                .throttled = Nanos(wire.throttled_ns()),
                .throttles = wire.throttles(),
                .memory_bytes = wire.memory_bytes(),
                .tap = from_wire(wire.tap()),
                .replay = from_wire(wire.replay())};
}

}  // namespace gnomon::telemetry
