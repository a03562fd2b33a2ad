#pragma once
// Rank tests of two samples and the shift between them. None of their results changes when both samples are scaled or
// moved. Pure.

#include "coordinator/judge/sample.h"

namespace gnomon::judge {

struct Interval {
  double estimate = 0, low = 0, high = 0;
};

struct RankTest {
  double anderson_darling = 0;  // of the two distributions' difference; 1 is usual, 3.9 has p = 1%
  double p_value = 1;           // of no difference of any kind
  double superiority = 0.5;     // P(treatment > control) + P(equal) / 2 (Vargha and Delaney 2000)
  double z = 0;                 // Wilcoxon's rank sum, standardised; > 0 when treatment is higher
};

// Two-sample Anderson-Darling test with midranks (Scholz and Stephens 1987). Up to 10 against 10 values, p is exact:
// all arrangements of the pooled values are gone through. Beyond, the statistic under no difference is a sum of
// weighted chi-squares; the weights' first four power sums are exact for the ties that there are and give p (Liu, Tang
// and Zhang 2009). Autocorrelated samples count as fewer (Pooled::inflation). Samples of one value, or empty: p = 1.
RankTest compare_ranks(const Pooled& pooled);

// The least p that samples of these sizes can have: two arrangements of all.
double least_p_value(double control, double treatment);

// Hodges-Lehmann: the median of all differences treatment - control, and the interval between those differences that
// the rank sum does not reject at this confidence (normal approximation with ties; Hollander, Wolfe and Chicken 2014,
// 4.2-4.3). NaN where a sample is empty.
Interval shift_between(const Sample& control, const Sample& treatment, double confidence);

}  // namespace gnomon::judge
