#pragma once
// The members of a forecast that see a series through one transform. Pure.

#include <vector>

#include "coordinator/forecast/decomposition.h"
#include "coordinator/forecast/harmonic_regression.h"
#include "coordinator/forecast/holt_winters.h"
#include "coordinator/forecast/horizons.h"
#include "coordinator/forecast/lag_model.h"
#include "coordinator/forecast/series.h"
#include "coordinator/forecast/structural.h"

namespace gnomon::forecast {

class Members {
 public:
  // `learnt` are the horizons with a lag model of their own, each at most kLongestLag.
  Members(Seasons seasons, Transform transform, int capacity, std::vector<int> learnt);

  int count() const { return 7 + static_cast<int>(smoothers_.size()); }
  std::size_t learnt() const { return lag_models_.size(); }
  // What came of earlier forecasts, before it is pushed.
  void learn(double value);
  // The next step's value, in the series' unit. One that is not `typical` teaches nothing seasonal.
  void push(double value, bool typical);
  // Adds each member's forecast in the series' unit; `between` is of the horizons with a lag model.
  void forecast(int horizon, const Between& between, std::vector<float>& out) const;
  // The next value to the member that an outage moves least, transformed.
  double steadiest() const { return smoothers_.front().forecast(1); }
  // Takes what came a season before for what was remembered since `first`.
  void heal(long first);

  const Series& series() const { return series_; }
  std::size_t bytes() const;

 private:
  double after_recent_seasons(int horizon) const;

  Series series_;
  std::vector<int> learnt_;
  Decomposition decomposition_;
  HarmonicRegression harmonic_;
  Structural structural_;
  std::vector<HoltWinters> smoothers_;
  std::vector<LagModel> lag_models_;
};

}  // namespace gnomon::forecast
