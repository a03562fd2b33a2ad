#include "coordinator/judge/rule.h"

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>

#include "fmt/format.h"

namespace gnomon::judge {
namespace {

double effect_of(const Sample& control, const Sample& treatment, EffectMeasure measure) {
  if (measure == EffectMeasure::kSuperiority) return compare_ranks(pool(control, treatment)).superiority;
  const double from = mean(control), to = mean(treatment);
  if (from == 0) return to == 0 ? 1 : std::numeric_limits<double>::quiet_NaN();
  return to / from;
}

bool beyond(Classification direction, double effect, const EffectLimits& limits) {
  if (std::isnan(effect)) return true;
  return direction == Classification::kHigh ? effect >= limits.high : effect <= limits.low;
}

// Where most pairs of values are equal, the shift and its limits are exactly zero, and so is what is tolerated of it.
// Whether zero is rejected the rank test itself says then.
bool zero_rejected(const Sample& control, const Sample& treatment, const Rule& rule, bool higher) {
  const double z = compare_ranks(pool(control, treatment)).z;
  const double needed = boost::math::quantile(boost::math::normal(), 0.5 + rule.confidence / 2);
  return higher ? z > needed : z < -needed;
}

Classification direction_of(const Sample& control, const Sample& treatment, const Interval& shift, const Rule& rule) {
  const double allowed = rule.tolerance * std::fabs(shift.estimate);
  const bool nothing = shift.estimate == 0;
  if (rule.reported != Harm::kDecrease &&
      (shift.low > allowed || (nothing && zero_rejected(control, treatment, rule, true))))
    return Classification::kHigh;
  if (rule.reported != Harm::kIncrease &&
      (shift.high < -allowed || (nothing && zero_rejected(control, treatment, rule, false))))
    return Classification::kLow;
  return Classification::kPass;
}

}  // namespace

double mean(const Sample& sample) {
  if (sample.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const auto& [value, count] : sample.groups) sum += value * count;
  return sum / sample.count;
}

RuleVerdict classify_by_rule(const Sample& control, const Sample& treatment, const Rule& rule) {
  RuleVerdict verdict;
  if (control.empty() || treatment.empty()) {
    if (rule.absence_is_nothing) verdict.classification = Classification::kPass;
    verdict.critical = rule.is_critical && !rule.absence_is_nothing;
    verdict.reason = fmt::format("{} has no values", control.empty() ? "control" : "treatment");
    return verdict;
  }
  const Interval shift = shift_between(control, treatment, rule.confidence);
  const Classification direction = direction_of(control, treatment, shift, rule);
  verdict.effect = effect_of(control, treatment, rule.measure);
  verdict.classification = Classification::kPass;
  verdict.reason = fmt::format("shift {:.4g} ({:.4g} to {:.4g}), effect {:.4g}", shift.estimate, shift.low, shift.high,
                               verdict.effect);
  if (direction == Classification::kPass || !beyond(direction, verdict.effect, rule.effect)) return verdict;
  verdict.classification = direction;
  verdict.critical = rule.is_critical && beyond(direction, verdict.effect, rule.critical);
  return verdict;
}

RuleVerdict classify_by_means(const Sample& control, const Sample& treatment) {
  RuleVerdict verdict{.reason = "control or treatment has no values"};
  if (control.empty() || treatment.empty()) return verdict;
  const double from = mean(control), to = mean(treatment);
  verdict.classification = to > from ? Classification::kHigh : to < from ? Classification::kLow : Classification::kPass;
  verdict.reason = fmt::format("means {:.4g} and {:.4g}", from, to);
  return verdict;
}

}  // namespace gnomon::judge
