#pragma once
// What files ask of the models: forecasts from which rows, latency at which rates.

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::eval {

inline constexpr int kLongestPeriod = 1440, kLongestHorizon = 2880;

struct Origins {
  int period = 0;             // steps in a season, 2 to kLongestPeriod
  std::vector<long> origins;  // rows from 0, rising
  std::vector<int> horizons;  // steps, 1 to kLongestHorizon; at least one
};
// JSON of period, origins and horizons. InvalidArgument "<name>: <what>".
absl::StatusOr<Origins> parse_origins(const std::string& text, const std::string& name);

struct CapacityQuestion {
  std::string scenario;
  std::array<double, 3> rates{};  // at 70, 80 and 90% of capacity; positive
  double objective_ms = 0;        // of the p99; positive
};
// JSON by scenario: rates by "0.70", "0.80" and "0.90", and slo_p99_ms. InvalidArgument "<name>: <what>".
absl::StatusOr<std::vector<CapacityQuestion>> parse_questions(const std::string& text, const std::string& name);

}  // namespace gnomon::eval
