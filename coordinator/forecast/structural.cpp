#include "coordinator/forecast/structural.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::forecast {
namespace {

constexpr int kDayWaves = 2, kWeekWaves = 1;
constexpr double kDamping = 0.98;      // of the trend, per step
constexpr double kMemory = 300;        // steps by which the ratios are chosen
constexpr double kOutlier = 4;         // of the usual size: what goes beyond teaches no more than that
constexpr double kLeastWeight = 1e-3;  // of the best
constexpr double kTrendShare = 0.001;  // of the level's variance
constexpr double kWaves = 1e-5;
constexpr double kLevels[] = {1e-3, 0.03, 0.5, 8};

}  // namespace

Structural::Structural(Seasons seasons) : waves_(seasons, kDayWaves, kWeekWaves), settled_(2L * seasons.short_one) {
  const int waves = waves_.count();
  mixed_ = StateSpace::State::Zero(2 + waves);
  for (const double level : kLevels)
    filters_.push_back(
        {StateSpace({.level = level, .slope = kTrendShare * level, .waves = kWaves, .damping = kDamping}, waves)});
}

void Structural::judge(Filter& filter, double innovation, const Waves::Row& waves) {
  const double rate = std::max(1 / kMemory, 1 / static_cast<double>(count_));
  const double scale = std::sqrt(filter.space.variance(waves)), size = std::abs(innovation) / scale;
  const bool bounded = count_ > settled_ && filter.loss > 0;  // of a silence nothing is known of what may come
  const double limit = kOutlier * filter.loss;
  filter.loss += rate * ((bounded ? std::min(size, 10 * filter.loss) : size) - filter.loss);
  filter.log_scale += rate * (std::log(scale) - filter.log_scale);
  filter.space.learn(waves, bounded ? std::clamp(innovation, -limit * scale, limit * scale) : innovation);
}

// Laplacian errors over the memory, of a size that is estimated.
void Structural::weigh() {
  const double steps = std::min(static_cast<double>(count_), kMemory);
  const auto badness = [](const Filter& filter) {
    return std::log(filter.loss + std::numeric_limits<double>::min()) + filter.log_scale;
  };
  double least = std::numeric_limits<double>::infinity(), sum = 0;
  for (const Filter& filter : filters_) least = std::min(least, badness(filter));
  mixed_.setZero();
  for (const Filter& filter : filters_) {
    const double weight = std::exp(steps * (least - badness(filter)));
    if (weight < kLeastWeight) continue;
    sum += weight;
    mixed_ += weight * filter.space.state();
  }
  mixed_ /= sum;
}

void Structural::observe(double value, bool typical) {
  const Waves::Row waves = waves_.at(count_++);
  for (Filter& filter : filters_) {
    if (count_ == 1) filter.space.start(value);
    filter.space.advance();
    if (typical) judge(filter, value - filter.space.expected(waves), waves);
  }
  weigh();
}

double Structural::forecast(int horizon) const {
  return count_ == 0 ? 0 : StateSpace::ahead(mixed_, kDamping, horizon, waves_.at(count_ - 1 + horizon));
}

std::size_t Structural::bytes() const {
  std::size_t sum = 0;
  for (const Filter& filter : filters_) sum += sizeof filter + filter.space.bytes();
  return sum;
}

}  // namespace gnomon::forecast
