#pragma once
// The members of a forecast on a regular grid with known seasons, their combination and its intervals. Pure.

#include <vector>

#include "coordinator/forecast/calibration.h"
#include "coordinator/forecast/combination.h"
#include "coordinator/forecast/members.h"

namespace gnomon::forecast {

struct Step {
  double yhat = 0, lo = 0, hi = 0;  // in the series' unit
};

class Ensemble {
 public:
  // `with_log` adds members that see log(y + offset); `miss` is the share meant to lie outside the interval.
  Ensemble(Seasons seasons, bool with_log, double offset, int max_horizon, double miss);

  // The next step's value; NaN if it is missing, which stands for what was expected.
  void observe(double value);
  // Steps 1 … horizons after the last value.
  std::vector<Step> forecast(int horizons) const;
  // Errors of one-step forecasts that the interval rests on.
  double experience() const;
  double last() const { return series().at(size() - 1); }
  double remembered(long step) const { return series().at(step); }
  bool remembers(long step) const { return series().has(step); }
  long size() const { return series().size(); }
  std::size_t bytes() const;

 private:
  // A horizon whose forecasts are kept until their time comes.
  struct Horizon {
    int steps, stride;
    Combination combination;
    Calibration calibration;
    std::vector<float> made;  // ring of members' forecasts, what the combination keeps of them, and the spread
  };

  const Series& series() const { return views_.front().series(); }
  std::vector<float> members(int horizon) const;
  Step step(const Horizon& horizon, int steps, const std::vector<float>& made) const;
  // Within what was seen, and once its range to either side, but not below zero where nothing was.
  double bounded(double value) const;
  double resolution() const { return 1e-6 * (highest_ - lowest_) + 1e-12; }
  double phase(long step) const;
  int kept() const { return members_ + Combination::kKept + 1; }
  float* slot(Horizon& horizon, long origin) const;
  void mature(Horizon& horizon, double value);
  void issue(Horizon& horizon);
  bool is_typical(double value);
  bool recurs(double value, double error) const;

  Seasons seasons_;
  std::vector<int> learnt_;  // horizons in steps, ascending
  int members_ = 0;
  double lowest_ = 0, highest_ = 0, usual_error_ = 0;
  long odd_since_ = -1, errors_ = 0;
  struct Odd {
    int step;
    float value;
  };
  std::vector<Odd> odd_;  // ring of what was odd lately, as it came
  std::size_t next_odd_ = 0;
  std::vector<Members> views_;  // plain, and on a logarithmic scale
  std::vector<Horizon> horizons_;
};

}  // namespace gnomon::forecast
