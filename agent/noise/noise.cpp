#include "agent/noise/noise.h"

#include <algorithm>
#include <cmath>

namespace gnomon::noise {
namespace {

// A normal distribution truncated at zero by drawing again: its shape above zero is the normal's. With a mean far below
// zero in units of the deviation (never the case for a delay) acceptance would be rare: the draws are bounded.
constexpr int kMaxDraws = 64;

Nanos draw_delay(const NoiseModel& model, std::mt19937_64& random) {
  const auto mean = static_cast<double>(model.delay_mean.count());
  const auto deviation = static_cast<double>(model.delay_stddev.count());
  if (deviation <= 0) return std::max(model.delay_mean, Nanos(0));
  std::normal_distribution<double> normal(mean, deviation);
  for (int i = 0; i < kMaxDraws; ++i)
    if (const double delay = normal(random); delay >= 0) return Nanos(std::llround(delay));
  return Nanos(0);
}

}  // namespace

Draw draw(const NoiseModel& model, std::mt19937_64& random) {
  Draw result;
  if (model.delay_mean > Nanos(0) || model.delay_stddev > Nanos(0)) result.response_delay = draw_delay(model, random);
  if (model.error_rate.value > 0) result.fail = std::bernoulli_distribution(model.error_rate.value)(random);
  return result;
}

}  // namespace gnomon::noise
