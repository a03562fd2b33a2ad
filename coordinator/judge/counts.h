#pragma once
// Tests of counts: errors among requests, zeros among values, events in time. Exact given the totals, with mid-p values
// (Lancaster 1961): half of the probability of what was seen counts. Pure.

#include <cstdint>

#include "coordinator/judge/ranks.h"
#include "coordinator/judge/sample.h"

namespace gnomon::judge {

struct Proportion {
  double events = 0, trials = 0;  // events <= trials
};

struct CountTest {
  double p_value = 1;  // two-sided mid-p; 1 where there is nothing to compare
  double p_more = 1;   // one-sided mid-p of treatment having no more than control
  Interval effect;     // see the function
};

// Two proportions, Fisher's conditional distribution (hypergeometric). Effect: difference of the shares with the
// interval of Newcombe (1998, method 10: Wilson's limits, combined). NaN where a side has no trials.
CountTest compare_proportions(const Proportion& control, const Proportion& treatment, double confidence = 0.95);

struct Rate {
  double events = 0, exposure = 0;  // exposure > 0, any unit, the same for both sides
};

// Two Poisson rates: given their sum, treatment's events are binomial. Effect: ratio treatment / control, mid-p limits
// of that binomial (Clopper and Pearson); the high limit is infinite where control has no event. NaN where a side has
// no exposure or neither has an event.
CountTest compare_rates(const Rate& control, const Rate& treatment, double confidence = 0.95);

// The share of values that are exactly `value`: a metric that is mostly zero differs in how often before it differs in
// how much.
Proportion share_of(const Sample& sample, double value);

}  // namespace gnomon::judge
