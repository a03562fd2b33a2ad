#include "common/delay.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>

namespace gnomon {
namespace {

constexpr double kEdge = 1e-12;
constexpr double kMostNormalVariation =
    0.95;  // of the deviation over the mean; 1 is the limit of what truncation gives

using Normal = boost::math::normal_distribution<double>;

// φ(a) / (1 − Φ(a)), of the standard normal.
double hazard(double a) {
  const Normal standard;
  return boost::math::pdf(standard, a) / boost::math::cdf(boost::math::complement(standard, a));
}

// Deviation over mean of a normal truncated at zero, which lies `a` of its deviations above its mean; rises with a.
double variation(double a) {
  const double rate = hazard(a);
  return std::sqrt(std::max(0.0, 1 + a * rate - rate * rate)) / (rate - a);
}

// Where a normal must be cut for that variation, by bisection.
double cut_for(double wanted) {
  double low = -40, high = 10;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (variation(middle) < wanted ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

const char* name_of(DelayShape shape) {
  return shape == DelayShape::kPareto ? "pareto" : shape == DelayShape::kUniform ? "uniform" : "normal";
}

DelayDistribution::DelayDistribution(DelayShape shape, Nanos mean, Nanos stddev)
    : shape_(shape), first_(static_cast<double>(mean.count())), second_(static_cast<double>(stddev.count())) {
  constant_ = stddev.count() <= 0;
  if (constant_) return;
  const double m = first_, s = second_;
  if (shape == DelayShape::kUniform) {
    first_ = std::max(0.0, m - std::sqrt(3.0) * s);
    second_ = m + std::sqrt(3.0) * s;
  } else if (shape == DelayShape::kPareto) {
    // Mean αx/(α − 1) and variance x²α/((α − 1)²(α − 2)) give (m/s)² = α(α − 2).
    second_ = 1 + std::sqrt(1 + (m / s) * (m / s));
    first_ = m * (second_ - 1) / second_;
  } else {
    // Mean μ + σλ and variance σ²(1 + aλ − λ²), where a = −μ/σ and λ is the hazard there.
    if (m > 0 && s > m / 6 && s < kMostNormalVariation * m) {
      const double a = cut_for(s / m);
      second_ = m / (hazard(a) - a);
      first_ = -a * second_;
    }
    below_zero_ = boost::math::cdf(Normal(first_, second_), 0.0);
  }
}

double DelayDistribution::cdf(double ns) const {
  if (constant_) return ns < first_ ? 0 : 1;
  switch (shape_) {
    case DelayShape::kPareto:
      return ns <= first_ ? 0 : 1 - std::pow(first_ / ns, second_);
    case DelayShape::kUniform:
      return std::clamp((ns - first_) / (second_ - first_), 0.0, 1.0);
    case DelayShape::kNormal:
      break;
  }
  return ns <= 0 ? 0 : (boost::math::cdf(Normal(first_, second_), ns) - below_zero_) / (1 - below_zero_);
}

double DelayDistribution::quantile(double share) const {
  if (constant_) return std::max(0.0, first_);
  const double q = std::clamp(share, kEdge, 1 - kEdge);
  switch (shape_) {
    case DelayShape::kPareto:
      return first_ * std::pow(1 - q, -1 / second_);
    case DelayShape::kUniform:
      return first_ + q * (second_ - first_);
    case DelayShape::kNormal:
      break;
  }
  const double whole = std::clamp(below_zero_ + q * (1 - below_zero_), kEdge, 1 - kEdge);
  return std::max(0.0, boost::math::quantile(Normal(first_, second_), whole));
}

double DelayDistribution::kurtosis() const {
  if (constant_) return 1;
  if (shape_ == DelayShape::kUniform) return 1.8;
  if (shape_ == DelayShape::kNormal) return 3;  // and close to it where little is cut off
  const double a = second_;
  if (a <= 4) return std::numeric_limits<double>::infinity();
  return 3 + 6 * (a * a * a + a * a - 6 * a - 2) / (a * (a - 3) * (a - 4));
}

}  // namespace gnomon
