#pragma once
// The members of a forecast on a regular grid with known seasons, their combination and its intervals. Pure.

#include <vector>

#include "coordinator/forecast/calibration.h"
#include "coordinator/forecast/combination.h"
#include "coordinator/forecast/holt_winters.h"
#include "coordinator/forecast/lag_model.h"
#include "coordinator/forecast/series.h"

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
  double last() const { return views_.front().series.at(size() - 1); }
  double remembered(long step) const { return views_.front().series.at(step); }
  bool remembers(long step) const { return views_.front().series.has(step); }
  long size() const { return views_.front().series.size(); }
  std::size_t bytes() const;

 private:
  // A transform's series and the members that see it.
  struct View {
    Series series;
    std::vector<HoltWinters> smoothers;
    std::vector<LagModel> lag_models;  // one for each of the shorter learnt horizons
  };
  // A horizon whose forecasts are kept until their time comes.
  struct Horizon {
    int steps, stride;
    Combination combination;
    Calibration calibration;
    std::vector<float> made;  // ring of members' forecasts, then the combined one and its spread
  };

  // The horizons among the first `count` that a horizon lies between: `share` of the way from near to far.
  struct Between {
    std::size_t near, far;
    double share;
  };
  Between neighbours(int horizon, std::size_t count) const;
  void make_members(const View& view, long origin, int horizon, std::vector<float>& out) const;
  std::vector<float> members(int horizon) const;
  double resolution() const { return 1e-6 * (highest_ - lowest_) + 1e-12; }
  double phase(long step) const;
  float* slot(Horizon& horizon, long origin) const;
  void mature(Horizon& horizon, double value);
  void issue(Horizon& horizon);
  bool is_typical(double value);
  void heal();

  Seasons seasons_;
  std::vector<int> learnt_;  // horizons in steps, ascending
  int members_ = 0;
  double lowest_ = 0, highest_ = 0, usual_error_ = 0;
  long odd_since_ = -1, errors_ = 0;
  std::vector<View> views_;
  std::vector<Horizon> horizons_;
};

}  // namespace gnomon::forecast
