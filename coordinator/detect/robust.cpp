#include "coordinator/detect/robust.h"

#include <algorithm>
#include <cmath>

namespace gnomon::detect {

void Average::add(double x) {
  ++count_;
  mean_ += std::max(1.0 / static_cast<double>(count_), gain_) * (x - mean_);
}

void Range::add(double x) {
  least_ = std::min(least_, x);
  most_ = std::max(most_, x);
}

double Range::beyond(double x) const {
  return least_ <= most_ ? std::max({least_ - x, x - most_, 0.0}) : 0;
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

double Reservoir::quantile(double fraction) const {
  if (sorted_.empty()) return 0;
  const double place = fraction * static_cast<double>(sorted_.size() - 1);
  const auto index = static_cast<std::size_t>(place);
  const double part = place - static_cast<double>(index);
  return index + 1 < sorted_.size() ? sorted_[index] * (1 - part) + sorted_[index + 1] * part : sorted_[index];
}

}  // namespace gnomon::detect
