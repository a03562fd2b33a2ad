#include "coordinator/judge/expected.h"

#include <algorithm>

namespace gnomon::judge {
namespace {

double as_double(Nanos value) {
  return static_cast<double>(value.count());
}

DelayDistribution delay_of(const Expectation& expectation) {
  return {expectation.delay_shape, expectation.delay_mean, expectation.delay_stddev};
}

}  // namespace

double quantile_with_delay(const telemetry::Histogram& control, const Expectation& expectation, double q) {
  const double without = as_double(*control.quantile(q));
  if (expectation.delay_stddev.count() <= 0) return without + as_double(expectation.delay_mean);

  const DelayDistribution delay = delay_of(expectation);
  const double total = static_cast<double>(control.count());
  const auto share_below = [&](double x) {
    double sum = 0;
    for (const auto& [bucket, times] : control.buckets())
      sum += static_cast<double>(times) / total * delay.cdf(x - as_double(telemetry::bucket_midpoint(bucket)));
    return sum;
  };
  double low = 0, high = as_double(telemetry::bucket_midpoint(control.buckets().rbegin()->first)) + delay.quantile(1);
  while (high - low > std::max(1.0, 1e-6 * high)) {
    const double middle = (low + high) / 2;
    (share_below(middle) < q ? low : high) = middle;
  }
  return (low + high) / 2;
}

double delay_quantile(const Expectation& expectation, double q) {
  return delay_of(expectation).quantile(q);
}

}  // namespace gnomon::judge
