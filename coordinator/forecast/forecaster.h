#pragma once
// Forecasts one series from the values seen so far, with 95% prediction intervals. Pure and deterministic: no clock, no
// I/O, no randomness. A coordinator holds one for each service and metric.

#include <chrono>
#include <memory>
#include <vector>

#include "coordinator/forecast/ensemble.h"

namespace gnomon::forecast {

using Seconds = std::chrono::duration<double>;

struct Options {
  Seconds step = std::chrono::minutes(5);    // the grid: values within one step are averaged
  Seconds longest = std::chrono::hours(48);  // the furthest horizon that intervals are calibrated for
  int season = 0;                            // steps; 0: a day, or what the history shows
  int long_season = 0;                       // steps; 0: seven times `season`
};

struct Forecast {
  Seconds first{0}, step{0};  // the time of steps[0], and from one to the next
  std::vector<Step> steps;
  // 0 (nothing seen yet) to 1: the share of what a forecast needs that has been seen (two seasons).
  double confidence = 0;
};

class Forecaster {
 public:
  explicit Forecaster(Options options);
  ~Forecaster();
  Forecaster(Forecaster&&) noexcept;
  Forecaster& operator=(Forecaster&&) noexcept;

  // A value at a time, seconds since any epoch. Steps left out, NaN and infinities are missing; a time before the last
  // step's is ignored. A gap longer than the memory starts the series anew. Of what is 1e9 times as large as usual only
  // so much is believed.
  void observe(Seconds time, double value);

  // The next `steps` grid steps; none, with confidence 0, before the first value.
  Forecast forecast(int steps) const;

  // Held for this series.
  std::size_t bytes() const;

 private:
  void close_step();
  void advance(double value);
  void rebuild(Seasons seasons, std::vector<double> values);
  double in_units(double value) const;
  int season_now(const std::vector<double>& values) const;

  Options options_;
  int max_horizon_;
  std::unique_ptr<Ensemble> ensemble_;
  Seasons seasons_;
  double unit_ = 1;            // of what the ensemble sees: a power of two, so that nothing is rounded
  std::vector<double> early_;  // until there is enough to choose a scale
  long step_ = 0, seen_ = 0;   // the open step, the closed ones
  double sum_ = 0;
  int count_ = 0;
  bool started_ = false;
};

}  // namespace gnomon::forecast
