#include "coordinator/forecast/holt_winters.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kLongSeasonGain = 0.2;
constexpr double kOutlier = 5;              // of the mean absolute error: what goes beyond teaches no more than that
constexpr double kCorrelationKeep = 0.998;  // per step
constexpr double kMaxCorrelation = 0.99;

}  // namespace

HoltWinters::HoltWinters(Gains gains, Seasons seasons)
    : gains_(gains),
      seasons_(seasons),
      season_(static_cast<std::size_t>(seasons.short_one), 0),
      long_season_(static_cast<std::size_t>(gains.with_long_season ? seasons.long_one : 0), 0) {}

double HoltWinters::base(long step) const {
  double value = level_ + season_[static_cast<std::size_t>(step % seasons_.short_one)];
  if (!long_season_.empty()) value += long_season_[static_cast<std::size_t>(step % seasons_.long_one)];
  return value;
}

double HoltWinters::forecast(int horizon) const {
  if (count_ == 0) return 0;
  const double carried = correlation_ > 0 ? std::pow(correlation_, horizon) * error_ : 0;
  return base(count_ - 1 + horizon) + carried;
}

void HoltWinters::observe(double value, bool typical) {
  if (count_ == 0) level_ = value;
  const long step = count_++;
  const double season = seasons_.short_one;
  const double error = value - base(step);
  const double limit = kOutlier * spread_;
  const double bounded = static_cast<double>(step) > 2 * season ? std::clamp(error, -limit, limit) : error;
  const double level_gain = std::max(gains_.level, 1.0 / static_cast<double>(step + 1));
  if (typical) spread_ += std::max(0.02, 1.0 / static_cast<double>(step + 1)) * (std::abs(error) - spread_);
  if (static_cast<double>(step) > season && typical) {
    product_ = kCorrelationKeep * product_ + bounded * error_;
    square_ = kCorrelationKeep * square_ + error_ * error_;
    correlation_ = square_ > 0 ? std::clamp(product_ / square_, 0.0, kMaxCorrelation) : 0;
  }
  level_ += level_gain * bounded;
  float& phase = season_[static_cast<std::size_t>(step % seasons_.short_one)];
  if (static_cast<double>(step) < season) {
    phase = static_cast<float>(value - level_);
  } else if (typical) {
    const double gain = std::max(gains_.season, 1.0 / (std::floor(static_cast<double>(step) / season) + 1));
    phase += static_cast<float>(gain * bounded * (1 - level_gain));
    if (!long_season_.empty() && static_cast<double>(step) >= 2 * season) {
      const double weeks = std::floor(static_cast<double>(step) / seasons_.long_one);
      const double long_gain = std::max(kLongSeasonGain, 1.0 / (weeks + 2));
      long_season_[static_cast<std::size_t>(step % seasons_.long_one)] +=
          static_cast<float>(long_gain * bounded * (1 - level_gain) * (1 - gain));
    }
  }
  if (count_ == seasons_.short_one) center_first_season();
  error_ = bounded;
}

void HoltWinters::center_first_season() {
  double mean = 0;
  for (const float value : season_) mean += value;
  mean /= static_cast<double>(season_.size());
  for (float& value : season_) value -= static_cast<float>(mean);
  level_ += mean;
}

}  // namespace gnomon::forecast
