#include "coordinator/judge/expected.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>

namespace gnomon::judge {
namespace {

// The normal (mean, stddev > 0) given that it is not negative.
class TruncatedNormal {
 public:
  explicit TruncatedNormal(const Expectation& expectation)
      : normal_(static_cast<double>(expectation.delay_mean.count()),
                static_cast<double>(expectation.delay_stddev.count())),
        below_zero_(boost::math::cdf(normal_, 0.0)) {}

  double cdf(double x) const {
    if (x <= 0) return 0;
    return (boost::math::cdf(normal_, x) - below_zero_) / (1 - below_zero_);
  }

  double quantile(double q) const {
    return std::max(0.0,
                    boost::math::quantile(normal_, std::clamp(below_zero_ + q * (1 - below_zero_), 1e-12, 1 - 1e-12)));
  }

 private:
  boost::math::normal normal_;
  double below_zero_;
};

double as_double(Nanos value) {
  return static_cast<double>(value.count());
}

}  // namespace

double quantile_with_delay(const telemetry::Histogram& control, const Expectation& expectation, double q) {
  const double without = as_double(*control.quantile(q));
  if (expectation.delay_stddev.count() <= 0) return without + as_double(expectation.delay_mean);

  const TruncatedNormal delay(expectation);
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
  if (expectation.delay_stddev.count() <= 0) return as_double(expectation.delay_mean);
  return TruncatedNormal(expectation).quantile(q);
}

}  // namespace gnomon::judge
