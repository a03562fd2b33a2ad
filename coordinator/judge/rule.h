#pragma once
// The rule of canary judges that users may come from (Kayenta): the rank interval of the shift against a tolerance that
// is a fraction of the shift itself, and thresholds of effect size. For comparisons and for configurations that were
// written for it; `compare.h` is the judge of this project. Pure.

#include <string>

#include "coordinator/judge/compare.h"

namespace gnomon::judge {

enum class EffectMeasure {
  kMeanRatio,    // treatment's mean over control's
  kSuperiority,  // P(treatment > control) + P(equal) / 2, "common language effect size"
};

struct EffectLimits {
  double low = 1, high = 1;
};

struct Rule {
  Harm reported = Harm::kEither;  // directions that are reported at all
  double tolerance = 0.25;        // of the estimated shift's size
  double confidence = 0.98;
  EffectMeasure measure = EffectMeasure::kMeanRatio;
  EffectLimits effect;              // Low needs an effect <= low, High one >= high
  bool is_critical = false;         // a metric that may fail everything
  EffectLimits critical;            // beyond these it does
  bool absence_is_nothing = false;  // no values mean that nothing happened: such a side passes
};

struct RuleVerdict {
  Classification classification = Classification::kNoData;
  bool critical = false;
  double effect = 1;  // NaN for a ratio to zero, which is beyond any limit
  std::string reason;
};

RuleVerdict classify_by_rule(const Sample& control, const Sample& treatment, const Rule& rule);

// High or Low by any difference of the means: the baseline that every judge must beat.
RuleVerdict classify_by_means(const Sample& control, const Sample& treatment);

double mean(const Sample& sample);  // NaN when empty

}  // namespace gnomon::judge
