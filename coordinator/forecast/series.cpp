#include "coordinator/forecast/series.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kProfileRate = 0.2, kLongProfileRate = 0.35;  // per season seen

}  // namespace

double Transform::forward(double value) const {
  return log ? std::log(std::max(value + offset, 0.01 * offset + 1e-300)) : value;
}

double Transform::inverse(double value) const {
  return log ? std::exp(std::min(value, 700.0)) - offset : value;
}

Series::Series(Seasons seasons, Transform transform, int capacity)
    : seasons_(seasons),
      transform_(transform),
      capacity_(capacity),
      values_(static_cast<std::size_t>(capacity), 0),
      levels_(static_cast<std::size_t>(capacity), 0),
      profile_(static_cast<std::size_t>(seasons.short_one), 0),
      long_profile_(static_cast<std::size_t>(seasons.long_one), 0) {}

void Series::push(double value, bool typical) {
  const double transformed = transform_.forward(value);
  if (size_ == 0) base_ = transformed;
  const long step = size_++;
  const long season = seasons_.short_one;
  values_[slot(step)] = static_cast<float>(transformed - base_);
  const long window = std::min({season, step + 1, capacity_});
  // Summed anew at each season's start, so that rounding does not add up; healing enters then, too.
  if (step % season == 0 || step < season) {
    double sum = 0;
    for (long i = step - window + 1; i <= step; ++i) sum += values_[slot(i)];
    levels_[slot(step)] = static_cast<float>(sum / static_cast<double>(window));
  } else {
    const double change = values_[slot(step)] - values_[slot(step - season)];
    levels_[slot(step)] = static_cast<float>(levels_[slot(step - 1)] + change / static_cast<double>(season));
  }
  if (!typical) return;
  const double deviation = transformed - level(step);
  const auto learn = [&](Floats& profile, long period, double rate) {
    float& phase = profile[static_cast<std::size_t>(step % period)];
    const double weight = std::max(rate, 1.0 / static_cast<double>(step / period + 1));
    phase += static_cast<float>(weight * (deviation - phase));
  };
  learn(profile_, season, kProfileRate);
  if (seasons_.long_one > 0) learn(long_profile_, seasons_.long_one, kLongProfileRate);
}

void Series::heal(long step, double transformed) {
  if (has(step)) values_[slot(step)] = static_cast<float>(transformed - base_);
}

double Series::mean(long first, long last) const {
  first = std::max({first, 0L, size_ - capacity_});
  last = std::min(last, size_ - 1);
  if (first > last) return level(std::clamp(last, std::max(0L, size_ - capacity_), size_ - 1));
  double sum = 0;
  for (long i = first; i <= last; ++i) sum += values_[slot(i)];
  return base_ + sum / static_cast<double>(last - first + 1);
}

double Series::profile(long step) const {
  const std::size_t phase = static_cast<std::size_t>(step % seasons_.short_one);
  return profile_[phase];
}

double Series::long_profile(long step) const {
  return seasons_.long_one > 0 ? long_profile_[static_cast<std::size_t>(step % seasons_.long_one)] : 0;
}

std::size_t Series::bytes() const {
  return (values_.size() + levels_.size() + profile_.size() + long_profile_.size()) * sizeof(float);
}

}  // namespace gnomon::forecast
