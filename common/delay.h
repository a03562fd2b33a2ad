#pragma once
// The distributions of an injected delay, by its mean and standard deviation: what draws it and what predicts its
// effect must agree. Pure.

#include "common/clock.h"

namespace gnomon {

enum class DelayShape {
  kNormal,   // truncated at zero; deviates by at most 0.9 of its mean
  kPareto,   // of the first kind: a least delay and a heavy tail
  kUniform,  // between mean ± √3 deviations; deviates by at most mean / √3, else it would begin below zero
};

const char* name_of(DelayShape shape);  // "normal", "pareto", "uniform"

// Of a shape with exactly this mean and deviation. Where a shape cannot have them (see above; documents are checked), a
// normal has these parameters before it is truncated, a uniform begins at zero. Without a deviation all is the mean.
class DelayDistribution {
 public:
  DelayDistribution(DelayShape shape, Nanos mean, Nanos stddev);

  double cdf(double ns) const;
  // Of a share within [0, 1], which is kept 1e-12 away from both ends: nanoseconds, never negative.
  double quantile(double share) const;
  // Fourth standardised moment, which tells how uncertain a measured deviation is; infinite for a Pareto distribution
  // whose shape is 4 or less (a deviation beyond 0.35 of the mean).
  double kurtosis() const;

 private:
  DelayShape shape_;
  // Normal: mean and deviation before truncation. Pareto: scale and shape. Uniform: least and greatest.
  double first_ = 0, second_ = 0;
  double below_zero_ = 0;  // of the normal: the share that is cut off
  bool constant_ = false;
};

}  // namespace gnomon
