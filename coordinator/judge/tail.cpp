#include "coordinator/judge/tail.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <vector>

namespace gnomon::judge {
namespace {

constexpr double kLeastPrior = 0.001;  // nothing is impossible, however far
constexpr double kManyValues = 64;     // beyond this, p is below 2^-64 anyway

double log_beta(double a, double b) {
  return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
}

// The same with the tail in question upwards.
Sample upwards(const Sample& sample, Side side) {
  if (side == Side::kUpper) return sample;
  Sample result = sample;
  std::reverse(result.groups.begin(), result.groups.end());
  for (auto& group : result.groups) group.value = -group.value;
  return result;
}

double scale_of(const Sample& control, const Sample& both) {
  const double middle = quantile(both, 0.5);
  double scale = median_deviation(both, middle);
  if (!(scale > 0)) scale = mean_deviation(both, middle);
  return std::max(scale, (control.groups.back().value - quantile(control, 0.5)) / 3);
}

// An order statistic's limits on quantile q.
Interval quantile_interval(const Sample& sample, double q, double confidence) {
  const double z = boost::math::quantile(boost::math::normal(), 0.5 + confidence / 2);
  const double middle = q * sample.count, reach = z * std::sqrt(sample.count * q * (1 - q));
  const double below = std::floor(middle - reach - 0.5), above = std::ceil(middle + reach + 0.5);
  const double infinity = std::numeric_limits<double>::infinity(), last = sample.count - 1;
  return {quantile(sample, q), below < 0 ? -infinity : quantile(sample, last > 0 ? below / last : 0),
          above > last ? infinity : quantile(sample, above / last)};
}

}  // namespace

double beta_binomial_upper(double k, double n, double a, double b) {
  if (k <= 0) return 1;
  double below = 0;
  for (double i = 0; i < k && i <= n; ++i)
    below += std::exp(-std::log(n + 1) - log_beta(i + 1, n - i + 1) + log_beta(a + i, b + n - i) - log_beta(a, b));
  return std::clamp(1 - below, 0.0, 1.0);
}

TailTest compare_tails(const Sample& control_in, const Sample& treatment_in, Side side, const TailSettings& settings) {
  TailTest test;
  if (control_in.empty() || treatment_in.empty()) return test;
  const Sample control = upwards(control_in, side), treatment = upwards(treatment_in, side);
  const Pooled pooled = pool(control, treatment);
  test.scale = scale_of(control, sample_of(pooled));
  if (!(test.scale > 0)) return test;
  const double extreme = control.groups.back().value, inflation = pooled.inflation;
  const double control_count = control.count / inflation, treatment_count = treatment.count / inflation;
  double beyond = 0;
  for (auto group = treatment.groups.rbegin(); group != treatment.groups.rend(); ++group) {
    const double margin = (group->value - extreme) / test.scale;
    if (!(margin > 0)) break;
    beyond += group->count;
    if (beyond < settings.least_share * treatment.count - 1e-9) continue;
    const double k = std::min(std::floor(beyond / inflation + 1e-9), kManyValues);
    const double prior = std::max(kLeastPrior, std::pow(1 + margin, -settings.index));
    const double p = beta_binomial_upper(k, treatment_count, prior, control_count);
    if (p < test.p_value) {
      test.p_value = p;
      test.share = beyond / treatment.count;
      test.margin = margin;
    }
    if (2 * beyond > treatment.count) break;  // that is the location, which others test
  }
  return test;
}

Interval quantile_difference(const Sample& control, const Sample& treatment, double q, double confidence) {
  const double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (control.empty() || treatment.empty()) return {kNaN, kNaN, kNaN};
  const Interval from = quantile_interval(control, q, confidence), to = quantile_interval(treatment, q, confidence);
  const double difference = to.estimate - from.estimate;
  return {difference, difference - std::hypot(to.estimate - to.low, from.high - from.estimate),
          difference + std::hypot(to.high - to.estimate, from.estimate - from.low)};
}

}  // namespace gnomon::judge
