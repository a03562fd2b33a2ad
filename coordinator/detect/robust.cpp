#include "coordinator/detect/robust.h"

#include <algorithm>
#include <cmath>

namespace gnomon::detect {

Average::Average(double half_life) : gain_(1 - std::exp2(-1 / half_life)) {}

void Average::add(double x) {
  ++count_;
  mean_ += std::max(1.0 / static_cast<double>(count_), gain_) * (x - mean_);
}

double Scale::ratio(double x, double epsilon) {
  x = std::fabs(x);
  double result = 0;
  if (value_ > 0) {
    result = x / (value_ + epsilon);
  } else if (x > epsilon && count_ > 30) {
    result = 100;
  }
  add(x);
  return result;
}

void Scale::add(double x) {
  ++count_;
  if (count_ > 20 && value_ > 0) x = std::min(x, 5 * value_);
  value_ += std::max(1.0 / static_cast<double>(count_), gain_) * (x - value_);
}

Reservoir::Reservoir(std::size_t capacity, double life) : capacity_(capacity), life_(life) {
  sorted_.reserve(capacity + 1);
}

double Reservoir::uniform() {  // xorshift64 (Marsaglia, 2003)
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return static_cast<double>(state_ >> 11) * 0x1p-53;
}

void Reservoir::add(double x) {
  ++count_;
  if (sorted_.size() == capacity_) {
    const double size = static_cast<double>(capacity_);
    if (uniform() > std::max(size / static_cast<double>(count_), size / life_)) return;
    const auto victim = std::min(static_cast<std::size_t>(uniform() * size), capacity_ - 1);
    sorted_.erase(sorted_.begin() + static_cast<std::ptrdiff_t>(victim));
  }
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), x), x);
}

double Reservoir::rank(double x) const {
  if (sorted_.empty()) return 0.5;
  const auto [low, high] = std::equal_range(sorted_.begin(), sorted_.end(), x);
  const auto below = static_cast<double>(low - sorted_.begin()), up_to = static_cast<double>(high - sorted_.begin());
  return (0.5 * (below + up_to) + 0.5) / (static_cast<double>(sorted_.size()) + 1);
}

double Reservoir::quantile(double fraction) const {
  if (sorted_.empty()) return 0;
  const double place = fraction * static_cast<double>(sorted_.size() - 1);
  const auto index = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(index);
  return index + 1 < sorted_.size() ? sorted_[index] * (1 - part) + sorted_[index + 1] * part : sorted_[index];
}

SeasonalProfile::SeasonalProfile(double period, std::size_t slots, double gain)
    : period_(period), gain_(gain), mean_(slots, 0), count_(slots, 0) {}

std::size_t SeasonalProfile::slot(double time) const {
  const double turns = time / period_;
  const double phase = turns - std::floor(turns);
  return std::min(static_cast<std::size_t>(phase * static_cast<double>(mean_.size())), mean_.size() - 1);
}

bool SeasonalProfile::expected(double time, double& value) const {
  const std::size_t here = slot(time), size = mean_.size();
  double sum = 0, weight = 0;
  for (const auto& [at, w] : {std::pair{here, 2.0}, {(here + 1) % size, 1.0}, {(here + size - 1) % size, 1.0}}) {
    if (count_[at] == 0) continue;
    sum += w * mean_[at];
    weight += w;
  }
  if (weight == 0) return false;
  value = sum / weight;
  return true;
}

void SeasonalProfile::add(double time, double value) {
  const std::size_t here = slot(time);
  ++count_[here];
  mean_[here] += std::max(1.0 / static_cast<double>(count_[here]), gain_) * (value - mean_[here]);
}

double normal_quantile(double p) {
  const double t = std::sqrt(-2 * std::log(std::min(p, 1 - p)));
  const double z =
      t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t);
  return p < 0.5 ? -z : z;
}

}  // namespace gnomon::detect
