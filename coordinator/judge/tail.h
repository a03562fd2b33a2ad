#pragma once
// Whether a share of treatment lies where control has nothing: what a change of one request in five does while the
// median stays. Pure.

#include "coordinator/judge/ranks.h"
#include "coordinator/judge/sample.h"

namespace gnomon::judge {

enum class Side { kUpper, kLower };

struct TailTest {
  double p_value = 1;
  double share = 0;   // of treatment's values, beyond control's extreme by `margin` or more
  double margin = 0;  // in units of `scale`
  double scale = 0;   // in the values' unit
};

struct TailSettings {
  double least_share = 0.1;  // of treatment: fewer values are outliers, not a tail
  double index = 2;          // of the Pareto tail that is expected of control beyond its extreme
};

// Of n values the next exceeds the largest with probability 1 / (n + 1) and so the number k of treatment's values above
// control's largest is beta-binomial with prior Beta(1, n) (Rosenbaum 1965: p near 2^-k). Values that exceed it by a
// margin of m robust scales are rarer: if tails fall off as Pareto's with this index, by a = (1 + m)^-index, and k is
// beta-binomial with Beta(a, n). p is the least over k from least_share of treatment on, m being the k-th largest's
// margin. The scale is the larger of the pooled median deviation (mean deviation where that is 0) and a third of the
// way from control's median to its extreme. Nothing in it has a unit: moving or scaling both samples changes nothing.
// Autocorrelated values count as fewer. p = 1 where a sample is empty.
//
// The least over k and the assumed index make p approximate: `docs/models.md` has how often it is below a level on
// pairs without a difference.
TailTest compare_tails(const Sample& control, const Sample& treatment, Side side, const TailSettings& settings = {});

// Quantile q of treatment less that of control. Each has an interval between order statistics with this confidence
// (binomial, normal approximation with continuity, at most the sample's range); the difference's is theirs combined
// (Donner and Zou 2012). NaN where a sample is empty; infinite where a sample has too few values for a limit.
Interval quantile_difference(const Sample& control, const Sample& treatment, double q, double confidence);

// P(K >= k) of the beta-binomial with n trials and Beta(a, b); 1 for k <= 0.
double beta_binomial_upper(double k, double n, double a, double b);

}  // namespace gnomon::judge
