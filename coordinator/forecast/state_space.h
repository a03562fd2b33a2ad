#pragma once
// A series as a level with a damped trend and waves, which wander, seen through noise; and the Kalman filter's answer
// where they are (Harvey, "Forecasting, structural time series models and the Kalman filter", 1989; forgetting by
// discount: West & Harrison, "Bayesian forecasting and dynamic models", 1997). Pure.

#include <Eigen/Core>
#include <cstddef>
#include <vector>

#include "coordinator/forecast/waves.h"

namespace gnomon::forecast {

class StateSpace {
 public:
  static constexpr int kMost = 2 + Waves::kMost;
  static constexpr double kPriorLevel = 1e4;
  using State = Eigen::Matrix<double, Eigen::Dynamic, 1, 0, kMost, 1>;  // level, slope, the waves' coefficients

  // All variances are in units of the noise's that one value has.
  struct Model {
    double level = 0, slope = 0, waves = 0;  // added a step
    double damping = 1;                      // what is left of the slope a step later
    double keep = 1;  // of what the past tells, with each value; less than 1 is least squares that forgets
    double prior_slope = 0.01, prior_waves = 100;
  };

  StateSpace(Model model, int waves);

  // The first value, before anything is known of the level.
  void start(double value) { state_(0) = value; }
  // One step on, about which nothing is known yet.
  void advance();
  // The value expected now, and its variance.
  double expected(const Waves::Row& waves) const;
  double variance(const Waves::Row& waves) const;
  // What the value now told: it was `innovation` off what was expected.
  void learn(const Waves::Row& waves, double innovation);

  const State& state() const { return state_; }
  // The value `horizon` steps after a state, where `waves` are those of then.
  static double ahead(const State& state, double damping, int horizon, const Waves::Row& waves);
  std::size_t bytes() const { return covariance_.size() * sizeof(double); }

 private:
  double& covariance(Eigen::Index row, Eigen::Index column) {
    return covariance_[static_cast<std::size_t>(row * (row + 1) / 2 + column)];
  }
  State along(const Waves::Row& waves) const;  // covariance times the row that a value is seen through

  Model model_;
  State state_;
  // Lower triangle by rows: of two triangles, what rounding makes differ would grow by 1 / keep with each value.
  std::vector<double> covariance_;
};

}  // namespace gnomon::forecast
