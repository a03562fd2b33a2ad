#pragma once
// How much load a service takes, learnt from a load test that need not have reached its limit. Pure, deterministic;
// about a second of computing a fit, microseconds an answer.
//
// The mean is a queueing station fitted to latency quantiles and the busy share together (station_fit.h); a Gaussian
// process of the utilisation corrects the logarithm of the latency where the station is off, and widens the intervals
// away from what was tested. Rates may have any unit with 1/time as dimension that latencies have.

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/capacity/discrepancy.h"
#include "coordinator/capacity/estimate.h"
#include "coordinator/capacity/load_test.h"
#include "coordinator/capacity/station_fit.h"

namespace gnomon::capacity {

enum class Quantile { kP50, kP95, kP99 };

struct Limit {
  Estimate rate;
  bool extrapolated = false;  // beyond the highest load tested
  bool by_errors = false;     // the errors allowed are exceeded before the latency is
};

class CapacityModel {
 public:
  // InvalidArgument, saying what to test instead, without three different loads below saturation, without busy shares
  // (latency alone does not show how near the limit is), or where no load kept more than a quarter busy.
  static absl::StatusOr<CapacityModel> fit(const std::vector<Window>& windows);

  // A latency quantile at `rate`, seconds; never falls as the rate rises. Infinite from capacity on. NaN for no rate.
  Estimate latency(double rate, Quantile quantile) const;
  // The highest rate at which the quantile is within `slo` seconds and at most `error_share` of requests fail.
  // The value is a little below the median of what is likely: promising too much costs more than too little.
  // FailedPrecondition where the latency is above the objective at any load tested.
  absl::StatusOr<Limit> max_rate(double slo, Quantile quantile, double error_share = 0.01) const;
  // The rate at which everything is busy.
  Estimate capacity() const;
  // Share of capacity in use.
  double utilisation(double rate) const { return rate / curves_.front().capacity; }
  // Where latency begins to rise faster than throughput: rate / p95 is highest (Kleinrock's power, 1979). Nothing
  // unless it lies within the loads tested and the latencies measured there have risen beyond their errors.
  std::optional<Estimate> knee() const;
  double highest_tested() const { return points_.back().rate; }
  const StationFit& station() const { return fit_; }

 private:
  static constexpr int kQuantiles = 3;
  // Latency by utilisation for one value of the station's parameters: the best first, then one standard error aside
  // along each axis of its covariance, either way.
  struct Curve {
    double capacity = 0;
    std::vector<std::array<double, kQuantiles>> logs;
  };
  Curve curve(const Eigen::VectorXd& parameters) const;
  void correct(Curve& curve) const;
  double log_latency(const Curve& curve, double rate, std::size_t quantile) const;
  double rate_at(const Curve& curve, double log_latency, std::size_t quantile) const;
  double knee_of(const Curve& curve) const;

  template <class Function>
  Estimate spread(const Function& of_curve, double own_error) const;

  StationFit fit_;
  std::vector<LoadPoint> points_;                  // below saturation
  std::optional<double> saturated_;                // most that was answered of more
  std::vector<std::pair<double, double>> errors_;  // rate and share of errors, by ascending rate
  std::vector<Curve> curves_;
  Discrepancy discrepancy_[kQuantiles];
};

}  // namespace gnomon::capacity
