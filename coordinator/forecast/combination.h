#pragma once
// Forecasts of several members made one, for one horizon: weights by recent loss, then a ridge regression of what the
// weighted mean missed on how the members differ from it and on what the combination missed lately. Pure.

#include <cstddef>
#include <vector>

#include "coordinator/forecast/normal_equations.h"

namespace gnomon::forecast {

class Combination {
 public:
  // `season` in steps sets how fast losses are forgotten; `fallback` is the member to trust before any loss is known.
  Combination(int members, int season, int fallback);

  double combine(const float* members) const;
  // Behind the members' forecasts `made`, in the series' unit: the combined one, and what else learn() has to know.
  static constexpr int kKept = 3;
  void keep(float* made) const;
  // What came of the forecasts `made` and kept; `resolution` is a difference that means nothing.
  void learn(const float* made, double actual, double resolution);
  void solve() { corrections_ = stack_.rows() > 30 ? stack_.solve(kPseudoRows, 1) : std::vector<float>{}; }
  double loss(int member) const { return losses_[static_cast<std::size_t>(member)]; }
  double count() const { return count_; }
  std::size_t bytes() const;

 private:
  static constexpr double kPseudoRows = 20;

  double weighted(const float* members) const;
  void weigh(double resolution);

  int members_, season_;
  double count_ = 0, own_loss_ = 0;
  double last_error_ = 0, recent_error_ = 0;  // of the combined forecast, bounded
  NormalEquations stack_;
  std::vector<float> losses_, weights_, corrections_;
  std::vector<float> row_;
};

}  // namespace gnomon::forecast
