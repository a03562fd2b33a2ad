#include "coordinator/forecast/harmonic_regression.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr int kDayWaves = 4, kWeekWaves = 2;
constexpr double kSeasons = 14;  // after as many, half is forgotten
constexpr double kOutlier = 4;   // of the mean absolute error: what goes beyond teaches no more than that
constexpr double kErrorKeep = 0.998;
constexpr double kMaxCorrelation = 0.995;

}  // namespace

HarmonicRegression::HarmonicRegression(Seasons seasons)
    : waves_(seasons, kDayWaves, kWeekWaves),
      space_({.keep = std::pow(0.5, 1 / (kSeasons * seasons.short_one)), .prior_slope = 1e-4}, waves_.count()),
      settled_(2L * seasons.short_one) {}

void HarmonicRegression::observe(double value, bool typical) {
  const Waves::Row waves = waves_.at(count_++);
  if (count_ == 1) space_.start(value);
  space_.advance();
  if (!typical) return;
  const double innovation = value - space_.expected(waves), limit = kOutlier * spread_;
  const bool bounded = count_ > settled_;
  space_.learn(waves, bounded ? std::clamp(innovation, -limit, limit) : innovation);
  const double left = value - space_.expected(waves), error = bounded ? std::clamp(left, -limit, limit) : left;
  spread_ += std::max(0.02, 1 / static_cast<double>(count_)) * (std::abs(left) - spread_);
  product_ = kErrorKeep * product_ + error * error_;
  square_ = kErrorKeep * square_ + error_ * error_;
  correlation_ = square_ > 0 ? std::clamp(product_ / square_, 0.0, kMaxCorrelation) : 0;
  error_ = error;
}

double HarmonicRegression::forecast(int horizon) const {
  if (count_ == 0) return 0;
  return StateSpace::ahead(space_.state(), 1, horizon, waves_.at(count_ - 1 + horizon)) +
         std::pow(correlation_, horizon) * error_;
}

}  // namespace gnomon::forecast
