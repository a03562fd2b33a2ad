#include "coordinator/judge/compare.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "fmt/format.h"

namespace gnomon::judge {
namespace {

bool tested(Side side, Harm harm) {
  return harm == Harm::kEither || (harm == Harm::kIncrease) == (side == Side::kUpper);
}

// A tail that moved alone; when both did, it is the spread.
bool tail_moved(Side side, const Comparison& comparison, const CompareSettings& settings) {
  if (!tested(side, settings.harm)) return false;
  const TailTest& tail = side == Side::kUpper ? comparison.upper : comparison.lower;
  const TailTest& other = side == Side::kUpper ? comparison.lower : comparison.upper;
  return tail.p_value <= settings.tail_level && other.p_value > settings.spread_level;
}

void classify(Comparison& comparison, const CompareSettings& settings) {
  const double direction = boost::math::quantile(boost::math::normal(), 1 - settings.direction_level / 2);
  const bool differ = comparison.ranks.p_value <= settings.level;
  const bool directed = std::fabs(comparison.ranks.z) > direction;
  if (differ && directed) {
    comparison.classification = comparison.ranks.z > 0 ? Classification::kHigh : Classification::kLow;
    comparison.reason = fmt::format("{:.0f}% of pairs are {}: p = {:.2g}",
                                    100 * std::max(comparison.ranks.superiority, 1 - comparison.ranks.superiority),
                                    comparison.ranks.z > 0 ? "higher" : "lower", comparison.ranks.p_value);
    return;
  }
  for (const Side side : {Side::kUpper, Side::kLower}) {
    if (!tail_moved(side, comparison, settings)) continue;
    const TailTest& tail = side == Side::kUpper ? comparison.upper : comparison.lower;
    comparison.classification = side == Side::kUpper ? Classification::kHigh : Classification::kLow;
    comparison.reason =
        fmt::format("{:.0f}% of the values lie {:.1f} robust deviations {} all of control: p = {:.2g}",
                    100 * tail.share, tail.margin, side == Side::kUpper ? "above" : "below", tail.p_value);
    return;
  }
  comparison.classification = Classification::kPass;
  comparison.spread_changed = differ;
  comparison.reason = differ ? fmt::format("the spread changed by a factor of {:.2g}, without a direction: p = {:.2g}",
                                           comparison.spread_ratio, comparison.ranks.p_value)
                             : fmt::format("no difference found: p = {:.2g}", comparison.ranks.p_value);
}

double smallest_p_value(const Comparison& comparison, const CompareSettings& settings) {
  double least = comparison.ranks.p_value, tests = 1;
  for (const Side side : {Side::kUpper, Side::kLower}) {
    if (!tested(side, settings.harm)) continue;
    least = std::min(least, side == Side::kUpper ? comparison.upper.p_value : comparison.lower.p_value);
    ++tests;
  }
  return std::min(1.0, tests * least);
}

}  // namespace

const char* name_of(Classification classification) {
  switch (classification) {
    case Classification::kPass:
      return "Pass";
    case Classification::kHigh:
      return "High";
    case Classification::kLow:
      return "Low";
    case Classification::kNoData:
      return "Nodata";
  }
  return "Nodata";
}

Comparison compare(const Sample& control, const Sample& measured, const CompareSettings& settings) {
  const Sample treatment = shifted(measured, -settings.expected_shift);
  Comparison comparison{.control_count = control.count, .treatment_count = treatment.count};
  comparison.missing = static_cast<double>(control.missing + treatment.missing);
  if (control.count < 1 || treatment.count < 1 || least_p_value(control.count, treatment.count) > settings.level) {
    comparison.reason = fmt::format("too few values: {:.0f} and {:.0f} ({:.0f} missing) can show no difference",
                                    control.count, treatment.count, comparison.missing);
    return comparison;
  }
  comparison.ranks = compare_ranks(pool(control, treatment));
  comparison.upper = compare_tails(control, treatment, Side::kUpper, settings.tail);
  comparison.lower = compare_tails(control, treatment, Side::kLower, settings.tail);
  comparison.shift = shift_between(control, treatment, settings.confidence);
  comparison.median = quantile_difference(control, treatment, 0.5, settings.confidence);
  comparison.high_quantile = quantile_difference(control, treatment, 0.9, settings.confidence);
  comparison.spread_ratio =
      median_deviation(treatment, quantile(treatment, 0.5)) / median_deviation(control, quantile(control, 0.5));
  comparison.p_value = smallest_p_value(comparison, settings);
  classify(comparison, settings);
  return comparison;
}

}  // namespace gnomon::judge
