#include "coordinator/forecast/series.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kUsualRate = 1.0 / 14, kRecentRate = 0.2;  // per season seen
constexpr long kSmoothing = 96;  // the smooth profile's window reaches as many parts of a season to each side

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
      levels_(static_cast<std::size_t>(std::min(capacity, std::max(seasons.short_one, seasons.long_one) + kMeansKept)),
              0),
      usual_(static_cast<std::size_t>(seasons.short_one), 0),
      recent_(static_cast<std::size_t>(seasons.short_one), 0),
      means_(static_cast<std::size_t>(kMeansKept * kMeans), 0) {}

void Series::push(double value, bool typical) {
  const double transformed = transform_.forward(value);
  if (size_ == 0) base_ = transformed;
  const long step = size_++;
  values_[slot(step)] = static_cast<float>(transformed - base_);
  learn_level(step);
  if (typical) learn_profiles(step);
  // The first season's level is known at its end only.
  for (long i = 0; step == seasons_.short_one - 1 && i <= step; ++i)
    usual_[phase(i)] = recent_[phase(i)] = static_cast<float>(at(i) - level(step));
  learn_means(step);
}

void Series::learn_level(long step) {
  const long season = seasons_.short_one;
  const long window = std::min({season, step + 1, capacity_});
  // Summed anew at each season's start, so that rounding does not add up; healing enters then, too.
  if (step % season == 0 || step < season) {
    double sum = 0;
    for (long i = step - window + 1; i <= step; ++i) sum += values_[slot(i)];
    levels_[level_slot(step)] = static_cast<float>(sum / static_cast<double>(window));
  } else {
    const double change = values_[slot(step)] - values_[slot(step - season)];
    levels_[level_slot(step)] =
        static_cast<float>(levels_[level_slot(step - 1)] + change / static_cast<double>(season));
  }
}

void Series::learn_profiles(long step) {
  const double deviation = at(step) - level(step), least = 1.0 / static_cast<double>(step / seasons_.short_one + 1);
  float &usual = usual_[phase(step)], &recent = recent_[phase(step)];
  usual += static_cast<float>(std::max(kUsualRate, least) * (deviation - usual));
  recent += static_cast<float>(std::max(kRecentRate, least) * (deviation - recent));
}

void Series::learn_means(long step) {
  const double now = adjusted(step) - base_;
  double gain = 0.5;
  for (std::size_t k = 0; k < kMeans; ++k, gain /= 2) {
    const double before = step > 0 ? means_[mean_slot(step - 1) + k] : now;
    const double weight = std::max(gain, 1.0 / static_cast<double>(step + 1));
    means_[mean_slot(step) + k] = static_cast<float>(before + weight * (now - before));
  }
}

void Series::heal(long step, double transformed) {
  if (has(step)) values_[slot(step)] = static_cast<float>(transformed - base_);
}

double Series::mean(long first, long last) const {
  first = std::max({first, 0L, size_ - capacity_});
  last = std::min(last, size_ - 1);
  if (first > last) return level(size_ - 1);
  double sum = 0;
  for (long i = first; i <= last; ++i) sum += values_[slot(i)];
  return base_ + sum / static_cast<double>(last - first + 1);
}

double Series::smooth_profile(long step) const {
  const long season = seasons_.short_one, reach = season / kSmoothing;
  double sum = 0;
  for (long i = -reach; i <= reach; ++i) sum += usual_[phase(step + i + season)];
  return sum / static_cast<double>(2 * reach + 1);
}

std::size_t Series::bytes() const {
  return (values_.size() + levels_.size() + usual_.size() + recent_.size() + means_.size()) * sizeof(float);
}

}  // namespace gnomon::forecast
