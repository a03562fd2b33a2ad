#include "coordinator/detect/detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gnomon::detect {
namespace {

constexpr double kLife = 5000;            // observations that a tail remembers
constexpr double kUnsurprising = 0.25;    // -log10 of a tail probability that adds nothing
constexpr double kMostSurprising = 8.88;  // of one aspect beyond that
constexpr double kHalfScore = 10;         // combined surprise that scores 0.5

template <std::size_t... I>
std::array<TailCalibrator, sizeof...(I)> tails(std::index_sequence<I...>) {
  return {((void)I, TailCalibrator(kLife))...};
}

// Every aspect's tail probability in its own past, but one, which says how far off something is whatever is usual here:
// in a series that is often far off nothing else would be seen as rare.
double surprise_of(Aspect aspect, double x, TailCalibrator& tail) {
  if (aspect != Aspect::kUsualLevels) return tail.push(x);
  return 2 * std::log2(1 + 10 * std::min(x, 1e3));
}

}  // namespace

double Alarms::push(double strength) {
  constexpr double kClearly = 1.15, kFading = 0.1, kSuppression = 20;
  constexpr double kShare = 0.06, kLeast = 10, kMost = 1000;
  constexpr double kLongest = 3, kRareness = 0.2;
  ++now_;
  const double pause = std::clamp(kShare * static_cast<double>(now_), kLeast, kMost);
  const double since = static_cast<double>(recurrence_.push(strength));
  const double rare = std::pow(std::clamp(since / pause, 1.0, kLongest), kRareness);
  const double age = last_at_ < 0 ? 1 : static_cast<double>(now_ - last_at_) / pause_;
  const double level = age < 1 ? kClearly * last_ * std::pow(1 - age, kFading) : 0;
  if (strength <= level) return level > 0 ? strength * rare * std::pow(strength / level, kSuppression) : 0;
  last_ = strength;
  last_at_ = now_;
  pause_ = pause;
  return strength * rare;
}

Detector::Detector() : tails_(tails(std::make_index_sequence<kAspects>())), own_(kLife) {}

Anomaly Detector::push(double time, double value) {
  if (!std::isfinite(time) || !std::isfinite(value)) {
    ++missing_;
    return {};
  }
  Anomaly out;
  const Aspects aspects = features_.push(time, value);
  double sum = 0, largest = 0;
  for (std::size_t i = 0; i < kAspects; ++i) {
    const Aspect aspect = static_cast<Aspect>(i);
    const double surprise = surprise_of(aspect, aspects[i], tails_[i]) - kUnsurprising;
    if (surprise <= 0) continue;
    // The root: several rather rare aspects count more than one very rare one.
    const double part = std::sqrt(std::min(surprise, kMostSurprising));
    sum += part;
    if (part > largest) {
      largest = part;
      out.cause = aspect;
    }
  }
  ++observed_;
  const double strength = alarms_.push(sum);
  out.score = strength / (strength + kHalfScore);
  out.surprise = rate_.push(own_.push(sum));
  return out;
}

}  // namespace gnomon::detect
