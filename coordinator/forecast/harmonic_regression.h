#pragma once
// Least squares that forgets, of a series on a trend and the waves of its seasons, with autocorrelated errors: dynamic
// harmonic regression (Hyndman & Athanasopoulos, "Forecasting", 3rd edition, chapter 10.5) a step at a time. Pure.

#include <cstddef>

#include "coordinator/forecast/state_space.h"

namespace gnomon::forecast {

class HarmonicRegression {
 public:
  explicit HarmonicRegression(Seasons seasons);

  // The next step's value. One that is not `typical` is taken for missing.
  void observe(double value, bool typical);
  // `horizon` steps (from 1) after the last value; 0 before the first.
  double forecast(int horizon) const;
  std::size_t bytes() const { return space_.bytes(); }

 private:
  Waves waves_;
  StateSpace space_;
  double error_ = 0, spread_ = 0;                      // the last one; their usual size
  double product_ = 0, square_ = 0, correlation_ = 0;  // of successive errors
  long count_ = 0, settled_;
};

}  // namespace gnomon::forecast
