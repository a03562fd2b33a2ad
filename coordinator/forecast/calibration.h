#pragma once
// Prediction intervals from what forecasts of one horizon have missed by: conformal quantiles of errors divided by the
// spread expected at their time (Gibbs & Candès, "Adaptive conformal inference under distribution shift", 2021, for the
// adapting levels). The two sides are calibrated apart. Pure.

#include <array>
#include <cstddef>

namespace gnomon::forecast {

class Calibration {
 public:
  // `miss` is the share meant to lie beyond each end (0.025 for a 95% interval); forecasts lie `stride` steps apart.
  Calibration(double miss, int horizon, int stride)
      : miss_(miss), low_(miss), high_(miss), overlap_(horizon / stride) {}

  // The error expected in `phase` (0 to 1) of the season, in the series' unit, at least `resolution`.
  double spread(double phase, double resolution) const;
  // What came: `error` of a forecast made when spread() was `spread`, in `phase`.
  void learn(double error, double spread, double phase);

  struct Interval {
    double low = 0, high = 0;  // to add to the forecast
  };
  Interval interval(double spread) const;
  double count() const { return count_; }

 private:
  static constexpr int kBins = 64, kPhases = 24;

  void rank(double error, double spread);
  double quantile(const std::array<float, kBins>& side, double tail) const;

  double miss_, low_, high_;
  int overlap_;
  double count_ = 0, weight_ = 0, usual_ = 0, recent_ = 0;
  std::array<float, kPhases> by_phase_{}, phase_count_{};
  std::array<float, kBins> below_{}, above_{};  // weight of errors by the logarithm of their size over the spread
};

}  // namespace gnomon::forecast
