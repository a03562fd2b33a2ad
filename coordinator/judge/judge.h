#pragma once
// Control against treatment over pairs of blocks: is what changed what the profile predicts? Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "common/delay.h"
#include "telemetry/histogram.h"

namespace gnomon::judge {

// All settled samples of one block, merged.
struct BlockData {
  int pair = 0;
  bool treatment = false;
  telemetry::Histogram response_time, service_time;
  std::uint64_t replayed = 0, replay_errors = 0, requests = 0;
  Nanos span{0}, cpu{0}, throttled{0};
  std::uint64_t memory_bytes = 0;  // mean
};

// What the profile predicts of treatment minus control.
struct Expectation {
  Nanos delay_mean{0}, delay_stddev{0};  // added to every response
  double error_rate = 0;
  DelayShape delay_shape = DelayShape::kNormal;
  // Of errors, beyond the error rate at most: connections that are refused or reset fail no more requests than their
  // share, and where connections are kept alive far fewer.
  double more_errors = 0;
  // Of what the noise shifts by an amount that no formula gives: packet loss, reordering, a rate limit. Such a shift is
  // reported and never an anomaly. `unpredicted_service` also of service times (lost packets of requests).
  bool unpredicted = false, unpredicted_service = false;
};

struct Tolerance {
  double latency_relative = 0.25;  // of control's value
  double noise_relative = 0.05;    // of the shift that the noise is expected to make
  Nanos latency_absolute = std::chrono::milliseconds(2);
  double error_rate = 0.01;
  double throttled_share = 0.05;
  unsigned min_pairs = 3;
  std::uint64_t min_requests = 20;  // per block; for a quantile q at least 1/(1 - q), so 100 for p99
};

enum class Outcome { kAsExpected, kAnomaly, kInconclusive };

struct MetricVerdict {
  std::string metric, unit;  // "response_time_p50", "ns"
  Outcome outcome = Outcome::kInconclusive;
  double control = 0, treatment = 0, shift = 0, shift_low = 0, shift_high = 0, expected_shift = 0, tolerance = 0;
  unsigned pairs = 0;
  std::string reason;
};

struct Verdict {
  Outcome outcome = Outcome::kInconclusive;
  std::string summary;
  std::vector<MetricVerdict> metrics;
};

// Metrics: response_time_p50/p99, service_time_p50/p99, error_rate, throttled_share, cpu_per_request (reported, never
// an anomaly by itself: load changes it). The expected quantile is control's distribution convolved with the noise.
// Anomaly: the low end of the 95% interval of the pairs' differences, by Student's t or by signed ranks, lies above
// expected + tolerance: each is wrong in at most 2.5% of sessions without one, so at most 5% are. Inconclusive: fewer
// than min_pairs usable pairs, or a t interval that reaches beyond the tolerance without clearing it.
Verdict judge(const std::vector<BlockData>& blocks, const Expectation& expectation, const Tolerance& tolerance);

}  // namespace gnomon::judge
