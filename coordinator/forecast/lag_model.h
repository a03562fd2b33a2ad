#pragma once
// Direct regression on lags: for each horizon its own linear model of what is known at the origin, learnt by ridge
// regression that forgets. Its prior is the seasonal profile with a deviation that halves every quarter season. Pure.

#include <array>
#include <cstddef>
#include <vector>

#include "coordinator/forecast/normal_equations.h"
#include "coordinator/forecast/series.h"

namespace gnomon::forecast {

inline constexpr int kFeatures = 32;

// What is known at `origin` about `origin + horizon`, as deviations from the origin's level.
struct Features {
  std::array<double, kFeatures> values{};
  double level = 0;
  double prior = 0;          // forecast without learning, less the level
  double recent_days = 0;    // mean of the target's phase over the last seasons, less the level
  double recent_origin = 0;  // the same of the origin's phase
};
Features features(const Series& series, long origin, int horizon);

class LagModel {
 public:
  LagModel() : equations_(kFeatures), coefficients_(kFeatures, 0) {}

  // What came, `actual` in the series' transform, of a forecast with `features`.
  void learn(const Features& features, double actual);
  void solve();
  double correction(const Features& features) const;
  std::size_t bytes() const { return equations_.bytes() + coefficients_.size() * sizeof(float); }

 private:
  NormalEquations equations_;
  std::vector<float> coefficients_;
  double error_ = 0;
};

}  // namespace gnomon::forecast
