#pragma once
// The shift between the halves of pairs, in two ways that fail differently. Pure.

#include <optional>
#include <vector>

#include "coordinator/judge/ranks.h"

namespace gnomon::judge {

// Mean of the differences with Student's t interval. Not empty; of one difference the interval is that point alone.
Interval mean_shift(const std::vector<double>& differences, double confidence);

// Hodges-Lehmann: the median of all averages of two differences (each with itself too), and the exact interval of
// Wilcoxon's signed ranks (Hollander, Wolfe and Chicken 2014, 3.2-3.3). One difference far out cannot widen it. nullopt
// where so few differences cannot give this confidence: 95% needs six.
std::optional<Interval> signed_rank_shift(const std::vector<double>& differences, double confidence);

}  // namespace gnomon::judge
