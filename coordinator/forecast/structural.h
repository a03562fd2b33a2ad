#pragma once
// Structural models of a series, each by a Kalman filter: how fast level, trend and season wander is not known, so a
// bank of such ratios is weighted by the likelihood of what came. Pure.

#include <cstddef>
#include <vector>

#include "coordinator/forecast/state_space.h"

namespace gnomon::forecast {

class Structural {
 public:
  explicit Structural(Seasons seasons);

  // The next step's value. One that is not `typical` is taken for missing.
  void observe(double value, bool typical);
  // `horizon` steps (from 1) after the last value; 0 before the first.
  double forecast(int horizon) const;
  std::size_t bytes() const;

 private:
  struct Filter {
    StateSpace space;
    double loss = 0;       // mean absolute innovation, by its expected size
    double log_scale = 0;  // mean logarithm of that size
  };
  void judge(Filter& filter, double innovation, const Waves::Row& waves);
  void weigh();

  Waves waves_;
  std::vector<Filter> filters_;
  StateSpace::State mixed_;  // of the filters' states, by their weights
  long count_ = 0, settled_;
};

}  // namespace gnomon::forecast
