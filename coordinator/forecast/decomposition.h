#pragma once
// Trend, seasons and remainder, robustly and a step at a time: the seasons as in STL (Cleveland et al., Journal of
// Official Statistics 6, 1990; several of them: Bandara, Hyndman & Bergmeir, "MSTL", 2021), what they leave by
// exponential smoothing with a damped trend and autocorrelated errors whose gains are estimated (Hyndman et al., 2008).
// Pure.

#include <array>
#include <cstddef>

#include "coordinator/forecast/series.h"

namespace gnomon::forecast {

class Decomposition {
 public:
  explicit Decomposition(Seasons seasons);

  // What the series' newest step says. One that is not `typical` moves the trend only.
  void observe(const Series& series, bool typical);
  // `horizon` steps (from 1) after the last value; 0 before the first.
  double forecast(int horizon) const;
  std::size_t bytes() const { return (season_.size() + long_season_.size()) * sizeof(float); }

 private:
  static constexpr std::size_t kGains = 5, kFilters = 2 * kGains;
  struct Filter {
    double level = 0, slope = 0, error = 0;
    double loss = 0, product = 0, square = 0;  // mean absolute error; of successive errors
    double weight = 0;
    double correlation() const;
  };

  double seasonal(long step) const;
  void learn_seasons(const Series& series);
  void smooth(double adjusted, bool typical);
  void weigh();

  Seasons seasons_;
  Floats season_, long_season_;
  std::array<Filter, kFilters> filters_{};
  double remainder_ = 0, spread_ = 0;  // usual size of the remainder; of the best filter's errors
  long count_ = 0, learnt_ = 0;
};

}  // namespace gnomon::forecast
