#pragma once
// What a load test measured. Pure.

#include <array>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::capacity {

// One window of a load test; what is missing is NaN.
struct Window {
  double offered = 0;                          // requests per second
  double achieved = 0;                         // responses per second
  double mean = 0, p50 = 0, p95 = 0, p99 = 0;  // latency, seconds
  double requests = 0;
  double busy = 0;  // share of the workers (or of the CPU allowed) that was busy, 0 to 1
  double error_share = 0;
};

// All windows at one offered load. Latencies and busy share are logarithms with standard errors.
struct LoadPoint {
  enum Statistic { kMean, kP50, kP95, kP99, kBusy };
  static constexpr int kStatistics = 5;
  double rate = 0;  // achieved
  double requests = 0;
  double error_share = 0;
  bool saturated = false;                                // answered markedly less than was offered
  std::array<double, kStatistics> log_value{}, error{};  // NaN where nothing was measured
};

// Points by ascending rate. Windows without a rate, a request or any latency are left out. A statistic's error comes
// from how windows of one load differ, pooled over loads with what each has, since four windows alone say little.
// InvalidArgument when there is nothing left.
absl::StatusOr<std::vector<LoadPoint>> pool(const std::vector<Window>& windows);

}  // namespace gnomon::capacity
