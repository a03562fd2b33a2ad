#pragma once
// What injected delay does to a measured distribution. Pure.

#include "coordinator/judge/judge.h"
#include "telemetry/histogram.h"

namespace gnomon::judge {

// Quantile `q` of X + N in nanoseconds, where X is distributed as `control` (not empty, buckets as point masses at
// their midpoints: within 1.6%) and N, independent, is the injected delay (common/delay.h). The convolution is exact:
// the sum over buckets of the delay's distribution function, inverted by bisection. Without noise this is control's own
// quantile.
double quantile_with_delay(const telemetry::Histogram& control, const Expectation& expectation, double q);

// Quantile `q` of the delay alone, in nanoseconds; 0 without noise.
double delay_quantile(const Expectation& expectation, double q);

}  // namespace gnomon::judge
