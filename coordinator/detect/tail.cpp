#include "coordinator/detect/tail.h"

#include <algorithm>
#include <cmath>

namespace gnomon::detect {
namespace {
constexpr double kLeast = 1e-4, kPerDecade = 28;
constexpr double kPrior = 0.7;  // of an observation in the tail, so that nothing is impossible
constexpr double kKnown = 30, kFewest = 5, kTail = 0.04, kLeastExcess = 0.02, kMost = 12;

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
  if (above >= kFewest || total < kKnown) return -std::log10((above + kPrior) / (total + 2 * kPrior));

  const double wanted = std::max(kFewest, kTail * total) * unit_;
  double weight = 0;
  std::size_t first = kBins;
  while (first > 1 && weight < wanted) weight += weight_[--first];
  const double count = weight / unit_, start = (static_cast<double>(first) - 1) / kPerDecade;
  double excess = 0;
  for (std::size_t i = first; i < kBins; ++i)
    excess += weight_[i] * ((static_cast<double>(i) - 0.5) / kPerDecade - start) / unit_;
  // (1 + x / excess)^-count is exactly the probability of one more exponential excess over x, given the sum of so many.
  const double beyond = std::max(0.0, decades(x) - start) / std::max(excess, kLeastExcess * std::max(count, 1.0));
  return -std::log10((count + kPrior) / (total + 2 * kPrior)) + std::min(kMost, count * std::log10(1 + beyond));
}

void TailCalibrator::add(double x) {
  const std::size_t at = bin(x);
  unit_ *= growth_;
  weight_[at] += unit_;
  total_ += unit_;
  if (unit_ > 1e100) {
    for (double& weight : weight_) weight /= unit_;
    total_ /= unit_;
    unit_ = 1;
  }
}

double SurpriseCalibrator::push(double surprise) {
  constexpr double kStep = 0.5;  // between levels
  constexpr double kPrior = 2, kKeep = 1 - 1.0 / 20000;
  const double place = std::max(0.0, surprise) / kStep;
  const std::size_t low = std::min(static_cast<std::size_t>(std::min(place, double{kLevels})), kLevels - 1);
  const auto level = [](std::size_t i) { return kStep * static_cast<double>(i); };
  // As often as it was, with a little of as often as it should be: falls with the level, as both do.
  const auto seen = [&](std::size_t i) {
    return -std::log10((reached_[i] + kPrior) / (total_ + kPrior * std::pow(10, level(i))));
  };
  const double share = place - static_cast<double>(low);
  const double result =
      low + 1 < kLevels ? seen(low) + share * (seen(low + 1) - seen(low)) : seen(low) + surprise - level(low);
  total_ = kKeep * total_ + 1;
  for (std::size_t i = 0; i < kLevels; ++i) reached_[i] = kKeep * reached_[i] + (surprise >= level(i) ? 1 : 0);
  return std::max(0.0, result);
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
