#pragma once
// Direct regression on what is known at the origin: for each horizon its own linear model of how the series changes,
// learnt by ridge regression that forgets. Its prior is the change of the smooth seasonal profile. Pure.

#include <array>
#include <cstddef>
#include <vector>

#include "coordinator/forecast/normal_equations.h"
#include "coordinator/forecast/series.h"

namespace gnomon::forecast {

inline constexpr int kFeatures = 20;

// What is known at `origin` about the change until `origin + horizon`; all are differences, so none has a level.
struct Features {
  std::array<float, kFeatures> values{};
  double value = 0;  // at the origin
  double prior = 0;  // the change without learning
};
// `origin` is one of the series' last 64 steps.
Features features(const Series& series, long origin, int horizon);

class LagModel {
 public:
  LagModel() : equations_(kFeatures), coefficients_(kFeatures, 0) {}

  // What came, `actual` in the series' transform, of a forecast with `features`.
  void learn(const Features& features, double actual);
  void solve();
  // The transformed value.
  double forecast(const Features& features) const;
  std::size_t bytes() const { return equations_.bytes() + coefficients_.size() * sizeof(float); }

 private:
  NormalEquations equations_;
  std::vector<float> coefficients_;
  double error_ = 0;
};

}  // namespace gnomon::forecast
