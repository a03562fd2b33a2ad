#include "coordinator/judge/sequential.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::judge {
namespace {

constexpr double kLongest = 690;  // logarithm of 1e300

// Signed by the alternative; both signs for either.
std::vector<double> signed_by(Alternative alternative, const std::vector<double>& sizes) {
  std::vector<double> result;
  for (const double size : sizes) {
    if (alternative != Alternative::kLower) result.push_back(size);
    if (alternative != Alternative::kHigher) result.push_back(-size);
  }
  return result;
}

double log_cosh(double x) {
  const double distance = std::fabs(x);
  return distance + std::log1p(std::exp(-2 * distance)) - std::log(2.0);
}

double p_from(double largest_log) {
  return std::exp(-largest_log);
}

// Logarithm of the Beta(1/2, 1/2) mixture's likelihood.
double log_mixture(double successes, double failures) {
  return std::lgamma(successes + 0.5) + std::lgamma(failures + 0.5) - std::lgamma(successes + failures + 1) -
         2 * std::lgamma(0.5);
}

// The share between `inside`, which is within the sequence, and `outside` where it ends.
double limit(double successes, double trials, double level, double inside, double outside) {
  const double failures = trials - successes, mixture = log_mixture(successes, failures);
  for (int i = 0; i < 60; ++i) {
    const double middle = (inside + outside) / 2;
    double likelihood = 0;
    if (successes > 0) likelihood += successes * std::log(middle);
    if (failures > 0) likelihood += failures * std::log1p(-middle);
    (mixture - likelihood < -std::log(level) ? inside : outside) = middle;
  }
  return inside;
}

}  // namespace

double Bets::log_value() const {
  const double most = *std::max_element(logs_.begin(), logs_.end());
  double sum = 0;
  for (const double one : logs_) sum += std::exp(one - most);
  return most + std::log(sum / static_cast<double>(logs_.size()));
}

PairedEvidence::PairedEvidence(Alternative alternative, double expected)
    : sizes_(signed_by(alternative, {0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6})),
      bets_(sizes_.size()),
      expected_(expected) {}

void PairedEvidence::add(double difference) {
  if (!std::isfinite(difference)) return;
  const double from_expected = difference - expected_;
  ++count_;
  if (scale_ > 0) {
    const double in_scales = from_expected / scale_;
    for (std::size_t i = 0; i < sizes_.size(); ++i)
      bets_.multiply(i, sizes_[i] * in_scales - log_cosh(sizes_[i] * in_scales));
    largest_log_ = std::max(largest_log_, log_e_value());
  }
  const double memory = std::min(static_cast<double>(count_), 100.0);
  scale_ += (std::fabs(from_expected) - scale_) / memory;
}

double PairedEvidence::e_value() const {
  return std::exp(std::min(log_e_value(), kLongest));
}

double PairedEvidence::p_value() const {
  return p_from(largest_log_);
}

bool PairedEvidence::reached(double level) const {
  return p_value() <= level;
}

EventEvidence::EventEvidence(Alternative alternative)
    : ratios_(signed_by(alternative,
                        {std::log(1.1), std::log(1.25), std::log(1.5), std::log(2.0), std::log(4.0), std::log(10.0)})),
      bets_(ratios_.size()) {}

void EventEvidence::add(double control_events, double control_exposure, double treatment_events,
                        double treatment_exposure) {
  if (!(control_exposure > 0) || !(treatment_exposure > 0)) return;
  const double share = treatment_exposure / (control_exposure + treatment_exposure);
  for (std::size_t i = 0; i < ratios_.size(); ++i) {
    const double weight = std::exp(ratios_[i]), total = weight * share + (1 - share);
    bets_.multiply(i, treatment_events * std::log(weight / total) - control_events * std::log(total));
  }
  largest_log_ = std::max(largest_log_, log_e_value());
}

double EventEvidence::e_value() const {
  return std::exp(std::min(log_e_value(), kLongest));
}

double EventEvidence::p_value() const {
  return p_from(largest_log_);
}

bool EventEvidence::reached(double level) const {
  return p_value() <= level;
}

Interval share_at_any_time(double successes, double trials, double level) {
  if (!(trials > 0)) return {std::numeric_limits<double>::quiet_NaN(), 0, 1};
  const double share = successes / trials;
  return {share, successes > 0 ? limit(successes, trials, level, share, 0) : 0,
          successes < trials ? limit(successes, trials, level, share, 1) : 1};
}

Interval median_at_any_time(const Sample& sample, double level) {
  const double infinity = std::numeric_limits<double>::infinity(), last = sample.count - 1;
  Interval median{quantile(sample, 0.5), -infinity, infinity};
  // Half is rejected as the share of values below anything lower than the order statistic of this rank.
  double rank = 0;
  while (rank < sample.count / 2 && share_at_any_time(rank, sample.count, level).high < 0.5) ++rank;
  if (rank > 0 && last > 0) {
    median.low = quantile(sample, (rank - 1) / last);
    median.high = quantile(sample, (last - rank + 1) / last);
  }
  return median;
}

}  // namespace gnomon::judge
