#include "coordinator/detect/detector.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gnomon::detect {
namespace {

constexpr double kLife = 5000;  // observations that a tail remembers

template <std::size_t... I>
std::array<TailCalibrator, sizeof...(I)> tails(std::index_sequence<I...>) {
  return {((void)I, TailCalibrator(kLife))...};
}

}  // namespace

Detector::Detector(const Settings& settings)
    : settings_(settings), tails_(tails(std::make_index_sequence<kAspects>())), own_(kLife) {}

Anomaly Detector::push(double time, double value) {
  if (!std::isfinite(time) || !std::isfinite(value)) {
    ++missing_;
    return {};
  }
  Anomaly out;
  const Aspects aspects = features_.push(time, value);
  double sum = 0, largest = 0;
  for (std::size_t i = 0; i < kAspects; ++i) {
    const double surprise = std::min(tails_[i].push(aspects[i]) - settings_.unsurprising, settings_.most);
    if (surprise <= 0 || settings_.weight[i] <= 0) continue;
    const double part = settings_.weight[i] * std::pow(surprise, settings_.power);
    sum += part;
    if (part > largest) {
      largest = part;
      out.cause = static_cast<Aspect>(i);
    }
  }
  const double refractory =
      std::max(settings_.refractory_least,
               std::min(settings_.refractory_most, settings_.refractory_share * static_cast<double>(observed_)));
  const double since = static_cast<double>(recurrence_.push(sum));
  sum *= std::pow(std::min(1.0, since / refractory), settings_.refractory_power);
  ++observed_;
  out.score = sum / (sum + settings_.half_score);
  out.surprise = std::max(0.0, own_.push(sum));
  return out;
}

}  // namespace gnomon::detect
