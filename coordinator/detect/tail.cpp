#include "coordinator/detect/tail.h"

#include <algorithm>
#include <cmath>

namespace gnomon::detect {
namespace {
constexpr double kLeast = 1e-4, kPerDecade = 28;
constexpr double kPrior = 0.7;  // of an observation in the tail, so that nothing is impossible

double decades(double x) {
  return std::log10(std::max(x, kLeast) / kLeast);
}
}  // namespace

TailCalibrator::TailCalibrator(double life) : growth_(1 / (1 - 1 / life)) {}

std::size_t TailCalibrator::bin(double x) {
  if (!(x > kLeast)) return 0;
  return std::min(kBins - 1, 1 + static_cast<std::size_t>(std::min(decades(x) * kPerDecade, double{kBins})));
}

double TailCalibrator::surprise(double x, std::size_t at) const {
  const double total = total_ / unit_;
  double above = 0.5 * weight_[at];
  for (std::size_t i = kBins - 1; i > at; --i) above += weight_[i];
  above /= unit_;
  if (above >= 8 || total < 30) return -std::log10((above + kPrior) / (total + 2 * kPrior));

  const double wanted = std::max(8.0, 0.02 * total) * unit_;
  double count = 0;
  std::size_t first = kBins;
  while (first > 1 && count < wanted) count += weight_[--first];
  const double start = (static_cast<double>(first) - 1) / kPerDecade;
  double excess = 0;
  for (std::size_t i = first; i < kBins; ++i)
    excess += weight_[i] * ((static_cast<double>(i) - 0.5) / kPerDecade - start);
  const double mean_excess = std::max(0.02, excess / std::max(count, unit_));
  const double beyond = std::max(0.0, decades(x) - start);
  return -std::log10((count / unit_ + kPrior) / (total + 2 * kPrior)) +
         std::min(12.0, beyond / mean_excess * std::log10(std::exp(1.0)));
}

double TailCalibrator::push(double x) {
  const std::size_t at = bin(x);
  const double result = surprise(x, at);
  unit_ *= growth_;
  weight_[at] += unit_;
  total_ += unit_;
  if (unit_ > 1e100) {
    for (double& weight : weight_) weight /= unit_;
    total_ /= unit_;
    unit_ = 1;
  }
  return result;
}

std::int64_t Recurrence::push(double x) {
  ++now_;
  while (!peaks_.empty() && peaks_.back().value < x) peaks_.pop_back();
  while (!peaks_.empty() && now_ - peaks_.front().at > kHorizon) peaks_.pop_front();
  const std::int64_t gap = peaks_.empty() ? std::min(now_ + 1, kHorizon) : now_ - peaks_.back().at;
  peaks_.push_back({now_, x});
  return gap;
}

}  // namespace gnomon::detect
