#include "agent/session/watchdog.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

#include "fmt/format.h"

namespace gnomon::session {
namespace {

constexpr std::uint64_t kFewRequests = 20;  // in a window
constexpr std::size_t kFewPauses = 4;
constexpr double kWronglyEnded = 0.05;
constexpr double kLeastCost = 1e5;  // ns
// The histogram's buckets are 1.6% wide at most: what they round is an error of both p99s, even if they never differ.
constexpr double kRounding = 0.016 * 0.016 / 12 * 2;

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// What Student's t exceeds with probability `tail`.
double t_beyond(double tail, std::size_t count) {
  const boost::math::students_t distribution(static_cast<double>(count - 1));
  return boost::math::quantile(boost::math::complement(distribution, tail));
}

double share(Nanos part, Nanos whole) {
  return whole.count() > 0 ? static_cast<double>(part.count()) / static_cast<double>(whole.count()) : 0;
}

}  // namespace

std::string describe(const ProductionCost& cost) {
  return fmt::format(
      "production's p99 service time is {}, and {} in pauses of the session (×{:.2f}, 95% interval ×{:.2f} to ×{:.2f}, "
      "of {} pauses)",
      format_duration(cost.p99_on), format_duration(cost.p99_off), cost.p99_ratio, cost.p99_ratio_low,
      cost.p99_ratio_high, cost.pauses);
}

void Watchdog::add(const Window& working, const Window& paused) {
  throttled_on_ += working.throttled;
  throttled_off_ += paused.throttled;
  span_on_ += working.span;
  span_off_ += paused.span;
  if (std::min(working.service_time.count(), paused.service_time.count()) < kFewRequests) return;
  const auto log_p99 = [](const Window& window) {
    return std::log(std::max(1.0, static_cast<double>(window.service_time.quantile(0.99)->count())));
  };
  on_.push_back(log_p99(working));
  off_.push_back(log_p99(paused));
  if (on_.size() < kFewPauses) return;
  ++looks_;
  const Estimate now = estimate();
  const double tail = kWronglyEnded / (static_cast<double>(looks_) * (looks_ + 1));
  const double low = std::exp(now.mean - t_beyond(tail, on_.size()) * now.error);
  const double more = std::exp(mean_of(off_)) * (low - 1);  // ns, at least
  exceeded_ = exceeded_ || (bound_ && low > 1 + bound_->value && more > kLeastCost);
}

Watchdog::Estimate Watchdog::estimate() const {
  const auto count = static_cast<double>(on_.size());
  Estimate estimate{.mean = mean_of(on_) - mean_of(off_)};
  double squares = 0;
  for (std::size_t i = 0; i < on_.size(); ++i) squares += std::pow(on_[i] - off_[i] - estimate.mean, 2);
  estimate.error = std::sqrt(std::max(kRounding, squares / (count - 1)) / count);
  return estimate;
}

ProductionCost Watchdog::cost() const {
  ProductionCost cost{.pauses = static_cast<unsigned>(on_.size()),
                      .throttled_on = share(throttled_on_, span_on_),
                      .throttled_off = share(throttled_off_, span_off_),
                      .bound = bound_.value_or(Fraction{}).value};
  if (on_.empty()) return cost;
  const auto back = [](double logarithm) { return Nanos(std::llround(std::exp(logarithm))); };
  cost.p99_on = back(mean_of(on_));
  cost.p99_off = back(mean_of(off_));
  cost.p99_ratio = std::exp(mean_of(on_) - mean_of(off_));
  if (on_.size() < kFewPauses) return cost;
  const Estimate now = estimate();
  const double reach = t_beyond(0.025, on_.size()) * now.error;
  cost.p99_ratio_low = std::exp(now.mean - reach);
  cost.p99_ratio_high = std::exp(now.mean + reach);
  return cost;
}

}  // namespace gnomon::session
