#pragma once
// Baseline against canary on one metric: do the two samples come from the same distribution, and if not, which way?
// Pure, and the same for every metric: no result but the values' own unit changes when both samples are scaled or
// moved.

#include <string>

#include "coordinator/judge/ranks.h"
#include "coordinator/judge/tail.h"

namespace gnomon::judge {

enum class Classification {
  kPass,
  kHigh,    // treatment is higher, as a whole or in its upper tail
  kLow,     // treatment is lower, likewise
  kNoData,  // too few values for any alarm, so that passing would mean nothing
};
const char* name_of(Classification classification);  // "Pass", "High", "Low", "Nodata"

// Which way the metric is harmful. Only the tail is tested one way; a shift is reported both ways.
enum class Harm { kIncrease, kDecrease, kEither };

struct CompareSettings {
  Harm harm = Harm::kEither;
  double expected_shift = 0;     // of treatment, by injected noise: subtracted before anything is compared
  double level = 0.01;           // false alarms allowed to the test of the distributions
  double tail_level = 0.002;     // nominal, to each tail that is tested
  double spread_level = 0.05;    // the other tail at this level: a change of spread, not of one tail
  double direction_level = 0.1;  // two-sided, of the rank sum: below it a difference has a direction
  double confidence = 0.95;      // of the intervals
  TailSettings tail;
};

struct Comparison {
  Classification classification = Classification::kNoData;
  std::string reason;
  double control_count = 0, treatment_count = 0, missing = 0;
  RankTest ranks;
  TailTest upper, lower;
  Interval shift;                  // Hodges-Lehmann, after expected_shift
  Interval median, high_quantile;  // differences of the medians and of the 90th percentiles, likewise
  double spread_ratio = 1;         // of the median deviations around the own median; NaN for 0 / 0
  bool spread_changed = false;     // the distributions differ, without a direction
  // Of no difference, for controlling false discoveries over metrics: the least of the tests', times their number.
  double p_value = 1;
};

// The distributions differ with a direction: High or Low by the rank sum. Else the harmful tail (both, for kEither)
// differs and the other does not: High or Low by the tail. Else Pass. Missing values are left out and counted.
Comparison compare(const Sample& control, const Sample& treatment, const CompareSettings& settings = {});

}  // namespace gnomon::judge
