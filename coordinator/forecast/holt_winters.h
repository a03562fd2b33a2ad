#pragma once
// Exponential smoothing with one or two additive seasons and autocorrelated errors (Taylor, "Short-term electricity
// demand forecasting using double seasonal exponential smoothing", JORS 54, 2003), with fixed gains: a bank of them,
// weighted by how they do, stands in for estimating the gains. Pure.

#include <cstddef>
#include <vector>

#include "coordinator/forecast/series.h"

namespace gnomon::forecast {

struct Gains {
  double level, season;
  bool with_long_season;
};

class HoltWinters {
 public:
  HoltWinters(Gains gains, Seasons seasons);

  // The next step's value. One that is not `typical` moves the level and nothing that is seasonal.
  void observe(double value, bool typical);
  // `horizon` steps (from 1) after the last value; 0 before the first.
  double forecast(int horizon) const;
  std::size_t bytes() const { return (season_.size() + long_season_.size()) * sizeof(float); }

 private:
  double base(long step) const;
  void center_first_season();

  Gains gains_;
  Seasons seasons_;
  Floats season_, long_season_;
  double level_ = 0, error_ = 0, spread_ = 0;
  double product_ = 0, square_ = 0, correlation_ = 0;  // of successive errors
  long count_ = 0;
};

}  // namespace gnomon::forecast
