#include "coordinator/judge/judge.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "common/units.h"
#include "coordinator/judge/expected.h"
#include "coordinator/judge/paired.h"
#include "fmt/format.h"

namespace gnomon::judge {
namespace {

struct Pair {
  const BlockData* control = nullptr;
  const BlockData* treatment = nullptr;
};

constexpr double kConfidence = 0.95;

// Means over pairs, and the shift from control to treatment in two ways (coordinator/judge/paired.h).
struct Estimate {
  double control = 0, treatment = 0;
  Interval mean;
  std::optional<Interval> ranks;
  unsigned pairs = 0;
};

using Metric = std::function<std::optional<double>(const BlockData&)>;  // nullopt: too few data in this block

// What is allowed of one metric, beside its estimate.
struct Bounds {
  double expected = 0, tolerance = 0;
  std::optional<double> least_treatment;  // below it, the noise cannot have been delivered
  bool unpredicted = false;               // the noise may raise it by any amount
  double limit() const { return expected + tolerance; }
};

double as_double(Nanos value) {
  return static_cast<double>(value.count());
}

std::vector<Pair> complete_pairs(const std::vector<BlockData>& blocks) {
  std::map<int, Pair> by_number;
  for (const BlockData& block : blocks) {
    Pair& pair = by_number[block.pair];
    (block.treatment ? pair.treatment : pair.control) = &block;
  }
  std::vector<Pair> pairs;
  for (const auto& [number, pair] : by_number)
    if (pair.control && pair.treatment) pairs.push_back(pair);
  return pairs;
}

// The pairs of which both halves have this metric.
std::vector<Pair> usable_pairs(const std::vector<Pair>& pairs, const Metric& metric) {
  std::vector<Pair> usable;
  std::copy_if(pairs.begin(), pairs.end(), std::back_inserter(usable),
               [&](const Pair& pair) { return metric(*pair.control) && metric(*pair.treatment); });
  return usable;
}

// `pairs` are usable. One pair has no interval, and min_pairs keeps it from being judged.
Estimate estimate(const std::vector<Pair>& pairs, const Metric& metric) {
  Estimate result;
  result.pairs = static_cast<unsigned>(pairs.size());
  if (pairs.empty()) return result;
  const double n = static_cast<double>(pairs.size());
  std::vector<double> differences;
  for (const Pair& pair : pairs) {
    const double control = *metric(*pair.control), treatment = *metric(*pair.treatment);
    result.control += control / n;
    result.treatment += treatment / n;
    differences.push_back(treatment - control);
  }
  result.mean = mean_shift(differences, kConfidence);
  result.ranks = signed_rank_shift(differences, kConfidence);
  return result;
}

std::string show(double value, const std::string& unit) {
  if (unit == "ns") return (value < 0 ? "-" : "") + format_duration(Nanos(std::llround(std::fabs(value))));
  return fmt::format("{:.2f}%", 100 * value);
}

// Sets outcome and reason from the numbers that are in `verdict` already.
void decide(MetricVerdict& verdict, const Bounds& bounds, unsigned min_pairs) {
  const std::string interval =
      fmt::format("{} (95% interval {} to {})", show(verdict.shift, verdict.unit),
                  show(verdict.shift_low, verdict.unit), show(verdict.shift_high, verdict.unit));
  const std::string allowed = fmt::format("expected {}, tolerance {}", show(bounds.expected, verdict.unit),
                                          show(bounds.tolerance, verdict.unit));
  if (verdict.pairs < min_pairs) {
    verdict.outcome = Outcome::kInconclusive;
    verdict.reason =
        fmt::format("too few data: {} usable pairs of blocks, at least {} are needed", verdict.pairs, min_pairs);
  } else if (bounds.unpredicted && verdict.shift_high > bounds.limit()) {
    verdict.outcome = Outcome::kAsExpected;
    verdict.reason = fmt::format("shifted by {}; reported only, what this noise adds to it is not predicted", interval);
  } else if (verdict.shift_low > bounds.limit()) {
    verdict.outcome = Outcome::kAnomaly;
    verdict.reason = fmt::format("shifted by {}, more than {}", interval, allowed);
  } else if (verdict.shift_high > bounds.limit()) {
    verdict.outcome = Outcome::kInconclusive;
    verdict.reason = fmt::format("shifted by {}, too uncertain for {}", interval, allowed);
  } else if (bounds.least_treatment && verdict.control + verdict.shift_high < *bounds.least_treatment) {
    verdict.outcome = Outcome::kInconclusive;
    verdict.reason =
        fmt::format("shifted by {}, less than the injected noise alone gives: it was not delivered in full", interval);
  } else {
    verdict.outcome = Outcome::kAsExpected;
    verdict.reason = fmt::format("shifted by {}; {}", interval, allowed);
  }
}

MetricVerdict verdict_of(std::string name, std::string unit, const Estimate& numbers, const Bounds& bounds,
                         unsigned min_pairs) {
  MetricVerdict verdict{.metric = std::move(name), .unit = std::move(unit)};
  verdict.control = numbers.control;
  verdict.treatment = numbers.treatment;
  // Signed ranks find what one block far out hides from the mean, and that block keeps the mean from passing.
  const bool by_ranks = numbers.mean.low <= bounds.limit() && numbers.ranks && numbers.ranks->low > bounds.limit();
  const Interval& shift = by_ranks ? *numbers.ranks : numbers.mean;
  verdict.shift = shift.estimate;
  verdict.shift_low = shift.low;
  verdict.shift_high = shift.high;
  verdict.expected_shift = bounds.expected;
  verdict.tolerance = bounds.tolerance;
  verdict.pairs = numbers.pairs;
  decide(verdict, bounds, min_pairs);
  return verdict;
}

// A quantile of one of a block's histograms; `delay` is what the noise adds to that histogram's values.
MetricVerdict judge_latency(const std::vector<Pair>& pairs, telemetry::Histogram BlockData::*histogram, double q,
                            const Expectation& delay, const Tolerance& tolerance) {
  const auto needed = std::max(tolerance.min_requests, static_cast<std::uint64_t>(std::llround(1 / (1 - q))));
  const Metric metric = [&](const BlockData& block) -> std::optional<double> {
    const telemetry::Histogram& values = block.*histogram;
    if (values.count() < needed) return std::nullopt;
    return as_double(*values.quantile(q));
  };
  const std::vector<Pair> usable = usable_pairs(pairs, metric);
  const Estimate numbers = estimate(usable, metric);
  Bounds bounds;
  if (!usable.empty()) {
    telemetry::Histogram control;
    for (const Pair& pair : usable) control.merge((*pair.control).*histogram);
    bounds.expected = quantile_with_delay(control, delay, q) - as_double(*control.quantile(q));
  }
  bounds.tolerance = std::max({as_double(tolerance.latency_absolute), tolerance.latency_relative * numbers.control,
                               tolerance.noise_relative * bounds.expected});
  bounds.unpredicted = histogram == &BlockData::response_time ? delay.unpredicted : delay.unpredicted_service;
  if (delay.delay_mean.count() > 0) bounds.least_treatment = delay_quantile(delay, q) - bounds.tolerance;
  const std::string name =
      fmt::format("{}_p{:.0f}", histogram == &BlockData::response_time ? "response_time" : "service_time", 100 * q);
  return verdict_of(name, "ns", numbers, bounds, tolerance.min_pairs);
}

// Half-width of the 95% interval that the binomial alone gives to the difference of two error rates over all usable
// pairs; two successes and two failures are added to each side (Agresti and Caffo 2000 add one each), so that it is not
// zero where no error was seen.
double binomial_half_width(const std::vector<Pair>& pairs) {
  double variance = 0;
  for (const bool treatment : {false, true}) {
    double errors = 0, requests = 0;
    for (const Pair& pair : pairs) {
      const BlockData& block = treatment ? *pair.treatment : *pair.control;
      errors += static_cast<double>(block.replay_errors);
      requests += static_cast<double>(block.replayed);
    }
    const double share = (errors + 2) / (requests + 4);
    variance += std::max(0.0, share * (1 - share)) / (requests + 4);
  }
  return 1.96 * std::sqrt(variance);
}

// No interval of the shift may be narrower than this to either side.
void widen(Estimate& numbers, double half_width) {
  const auto at_least = [half_width](Interval& shift) {
    shift.low = std::min(shift.low, shift.estimate - half_width);
    shift.high = std::max(shift.high, shift.estimate + half_width);
  };
  at_least(numbers.mean);
  if (numbers.ranks) at_least(*numbers.ranks);
}

MetricVerdict judge_error_rate(const std::vector<Pair>& pairs, const Expectation& expectation,
                               const Tolerance& tolerance) {
  const Metric metric = [&](const BlockData& block) -> std::optional<double> {
    if (block.replayed < std::max<std::uint64_t>(1, tolerance.min_requests)) return std::nullopt;
    return static_cast<double>(block.replay_errors) / static_cast<double>(block.replayed);
  };
  const std::vector<Pair> usable = usable_pairs(pairs, metric);
  Estimate numbers = estimate(usable, metric);
  if (!usable.empty()) widen(numbers, binomial_half_width(usable));
  // A request that fails anyway cannot be failed by the noise a second time.
  Bounds bounds{.expected = expectation.error_rate * (1 - numbers.control),
                .tolerance = tolerance.error_rate + expectation.more_errors,
                .unpredicted = expectation.unpredicted};
  if (expectation.error_rate > 0) bounds.least_treatment = expectation.error_rate - tolerance.error_rate;
  return verdict_of("error_rate", "ratio", numbers, bounds, tolerance.min_pairs);
}

MetricVerdict judge_throttling(const std::vector<Pair>& pairs, const Tolerance& tolerance) {
  const Metric metric = [](const BlockData& block) -> std::optional<double> {
    if (block.span.count() <= 0) return std::nullopt;
    return as_double(block.throttled) / as_double(block.span);
  };
  return verdict_of("throttled_share", "ratio", estimate(usable_pairs(pairs, metric), metric),
                    {.tolerance = tolerance.throttled_share}, tolerance.min_pairs);
}

MetricVerdict report_cpu(const std::vector<Pair>& pairs, const Tolerance& tolerance) {
  const Metric metric = [&](const BlockData& block) -> std::optional<double> {
    if (block.requests < std::max<std::uint64_t>(1, tolerance.min_requests)) return std::nullopt;
    return as_double(block.cpu) / static_cast<double>(block.requests);
  };
  MetricVerdict verdict =
      verdict_of("cpu_per_request", "ns", estimate(usable_pairs(pairs, metric), metric), {}, tolerance.min_pairs);
  if (verdict.pairs < tolerance.min_pairs) return verdict;
  verdict.outcome = Outcome::kAsExpected;
  verdict.reason =
      fmt::format("changed by {} (95% interval {} to {}); reported only, load changes it", show(verdict.shift, "ns"),
                  show(verdict.shift_low, "ns"), show(verdict.shift_high, "ns"));
  return verdict;
}

std::string names_of(const std::vector<MetricVerdict>& metrics, Outcome outcome) {
  std::string names;
  for (const MetricVerdict& metric : metrics) {
    if (metric.outcome != outcome) continue;
    if (!names.empty()) names += ", ";
    names += metric.metric;
  }
  return names;
}

void summarise(Verdict& verdict) {
  const std::string anomalies = names_of(verdict.metrics, Outcome::kAnomaly);
  const std::string open = names_of(verdict.metrics, Outcome::kInconclusive);
  if (!anomalies.empty()) {
    verdict.outcome = Outcome::kAnomaly;
    const auto first = std::find_if(verdict.metrics.begin(), verdict.metrics.end(),
                                    [](const MetricVerdict& metric) { return metric.outcome == Outcome::kAnomaly; });
    verdict.summary = fmt::format("Anomaly in {}: {} {}.", anomalies, first->metric, first->reason);
  } else if (!open.empty()) {
    verdict.outcome = Outcome::kInconclusive;
    const auto first = std::find_if(verdict.metrics.begin(), verdict.metrics.end(), [](const MetricVerdict& metric) {
      return metric.outcome == Outcome::kInconclusive;
    });
    verdict.summary = fmt::format("Inconclusive in {}: {} {}.", open, first->metric, first->reason);
  } else {
    verdict.outcome = Outcome::kAsExpected;
    verdict.summary = fmt::format("As expected: all {} metrics are within tolerance of what the profile predicts.",
                                  verdict.metrics.size());
  }
}

}  // namespace

Verdict judge(const std::vector<BlockData>& blocks, const Expectation& expectation, const Tolerance& tolerance) {
  const std::vector<Pair> pairs = complete_pairs(blocks);
  const Expectation service{.unpredicted_service = expectation.unpredicted_service};
  Verdict verdict;
  for (const double q : {0.5, 0.99})
    verdict.metrics.push_back(judge_latency(pairs, &BlockData::response_time, q, expectation, tolerance));
  for (const double q : {0.5, 0.99})
    verdict.metrics.push_back(judge_latency(pairs, &BlockData::service_time, q, service, tolerance));
  verdict.metrics.push_back(judge_error_rate(pairs, expectation, tolerance));
  verdict.metrics.push_back(judge_throttling(pairs, tolerance));
  verdict.metrics.push_back(report_cpu(pairs, tolerance));
  summarise(verdict);
  return verdict;
}

}  // namespace gnomon::judge
