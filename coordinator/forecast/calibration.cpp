#include "coordinator/forecast/calibration.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kSmallest = 0.02, kPerBin = 1.1487;  // 0.02 to 140 in 64 bins, five to each doubling
const double kKeep = std::pow(0.5, 1.0 / 2000);       // per error
constexpr double kStep = 0.0005;                      // of the adapting levels
constexpr double kOutlier = 8;

std::size_t phase_bin(double phase, int bins) {
  return static_cast<std::size_t>(std::clamp(static_cast<int>(phase * bins), 0, bins - 1));
}

}  // namespace

double Calibration::spread(double phase, double resolution) const {
  if (usual_ <= 0) return 0;
  const std::size_t bin = phase_bin(phase, kPhases);
  const double here = phase_count_[bin] > 5 ? std::max<double>(by_phase_[bin], 0.1 * usual_) : usual_;
  const double recent = std::max(recent_, 0.2 * usual_);
  return std::max(std::sqrt(std::sqrt(here * usual_) * recent), std::max(resolution, 1e-300));
}

void Calibration::rank(double error, double spread) {
  const Interval was = interval(spread);
  if (count_ > 30) {
    low_ = std::clamp(low_ + kStep * (miss_ - (error < was.low)), 0.2 * miss_, 2 * miss_);
    high_ = std::clamp(high_ + kStep * (miss_ - (error > was.high)), 0.2 * miss_, 2 * miss_);
  }
  const double position = std::log(std::max(std::abs(error) / spread, kSmallest) / kSmallest) / std::log(kPerBin);
  const auto bin = static_cast<std::size_t>(std::clamp(position, 0.0, kBins - 1.0));
  for (std::size_t i = 0; i < kBins; ++i) {
    below_[i] *= static_cast<float>(kKeep);
    above_[i] *= static_cast<float>(kKeep);
  }
  weight_ = weight_ * kKeep + 1;
  (error < 0 ? below_ : above_)[bin] += 1;
}

void Calibration::learn(double error, double spread, double phase) {
  if (spread > 0) rank(error, spread);  // else it was made before anything was known of errors: no measure of them
  ++count_;
  double size = std::abs(error);
  if (count_ > 30) size = std::min(size, kOutlier * usual_);
  const double rate = std::max(0.003, 1 / count_);
  usual_ += rate * (size - usual_);
  recent_ += std::max(0.06, rate) * (size - recent_);
  const std::size_t hour = phase_bin(phase, kPhases);
  phase_count_[hour] += 1;
  by_phase_[hour] += static_cast<float>(std::max(0.02, 1.0 / phase_count_[hour]) * (size - by_phase_[hour]));
}

double Calibration::quantile(const std::array<float, kBins>& side, double tail) const {
  // Errors of overlapping forecasts are no independent ones: the tail is taken further out, as a smaller sample needs.
  const double independent = weight_ / (1 + 1.0 * overlap_);
  double beyond = std::max(0.0, tail * (1 - 2 / (independent + 2))) * weight_;
  for (int i = kBins - 1; i >= 0; --i) {
    const double here = side[static_cast<std::size_t>(i)];
    if (here > 0 && here >= beyond) return kSmallest * std::pow(kPerBin, i + 1 - beyond / here);
    beyond -= here;
  }
  return kSmallest;
}

Calibration::Interval Calibration::interval(double spread) const {
  const double caution = 1 + 5 / (1 + weight_ / (1 + 1.0 * overlap_));
  if (weight_ < 5) return {-4 * caution * spread, 4 * caution * spread};
  return {-quantile(below_, low_) * spread * caution, quantile(above_, high_) * spread * caution};
}

}  // namespace gnomon::forecast
