#include "agent/session/watchdog.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace gnomon::session {
namespace {

constexpr std::uint64_t kFewRequests = 20;  // in a window
constexpr double kWronglyEnded = 0.025;     // sessions, by each of the two tests
constexpr double kLeastCost = 1e5;          // ns

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

double seconds(Nanos span) {
  return std::chrono::duration<double>(span).count();
}

}  // namespace

std::string describe_change(double ratio, double low, double high) {
  const auto percent = [](double value) {
    return fmt::format("{:+.{}f}%", 100 * value, std::fabs(value) < 0.1 ? 1 : 0);
  };
  std::string text = percent(ratio - 1);
  if (low > 0) text += fmt::format(" ({} to {}", percent(low - 1), high > 0 ? percent(high - 1) + ")" : "?)");
  return text;
}

void Watchdog::Window::add(const telemetry::Sample& sample) {
  service_time.merge(sample.service_time);
  throttled += sample.throttled;
  span += sample.span;
  throttles += sample.throttles;
  bytes += sample.tap.bytes;
  lost_bytes += sample.tap.lost_bytes;
}

void Watchdog::Totals::add(const Window& window) {
  throttled += window.throttled;
  span += window.span;
  throttles += window.throttles;
  bytes += window.bytes;
  lost_bytes += window.lost_bytes;
}

double Watchdog::Totals::throttled_share() const {
  return share(seconds(throttled), seconds(span));
}

double Watchdog::Totals::throttles_a_second() const {
  return share(static_cast<double>(throttles), seconds(span));
}

double Watchdog::Totals::lost_share() const {
  return share(static_cast<double>(lost_bytes), static_cast<double>(bytes));
}

void Watchdog::add(const Window& working, const Window& paused) {
  on_.add(working);
  off_.add(paused);
  throttled_.add(share(seconds(working.throttled), seconds(working.span)) -
                 share(seconds(paused.throttled), seconds(paused.span)));
  if (std::min(working.service_time.count(), paused.service_time.count()) < kFewRequests) {
    ++left_out_;
  } else {
    const auto log_p99 = [](const Window& window) {
      return std::log(std::max(1.0, static_cast<double>(window.service_time.quantile(0.99)->count())));
    };
    on_.log_p99 += log_p99(working);
    off_.log_p99 += log_p99(paused);
    p99_.add(log_p99(working) - log_p99(paused));
  }
  if (bound_ && !exceeded_) exceeded_ = find_excess();
}

Nanos Watchdog::mean_p99(const Totals& side) const {
  return Nanos(std::llround(std::exp(side.log_p99 / static_cast<double>(p99_.count()))));
}

ProductionCost Watchdog::cost() const {
  ProductionCost cost{.pauses = static_cast<unsigned>(p99_.count()),
                      .left_out = left_out_,
                      .throttled_on = on_.throttled_share(),
                      .throttled_off = off_.throttled_share(),
                      .throttles_on = on_.throttles_a_second(),
                      .throttles_off = off_.throttles_a_second(),
                      .lost_on = on_.lost_share(),
                      .lost_off = off_.lost_share(),
                      .bound = bound_.value_or(Fraction{}).value,
                      .exceeded = exceeded_.has_value()};
  if (p99_.count() == 0) return cost;
  cost.p99_on = mean_p99(on_);
  cost.p99_off = mean_p99(off_);
  cost.p99_ratio = std::exp(p99_.estimate());
  const double low = p99_.low(kWronglyEnded), high = p99_.high(kWronglyEnded);
  if (std::isfinite(low)) cost.p99_ratio_low = std::exp(low);
  if (std::isfinite(high)) cost.p99_ratio_high = std::exp(high);
  return cost;
}

std::optional<std::string> Watchdog::find_excess() const {
  if (p99_.count() > 0) {
    const double bound = std::max(bound_->value, kLeastCost / static_cast<double>(mean_p99(off_).count()));
    if (p99_.above(std::log1p(bound), kWronglyEnded)) {
      const ProductionCost now = cost();
      return fmt::format("production's p99 {} with the shadow on, bound {}: {} against {} in {} pauses",
                         describe_change(now.p99_ratio, now.p99_ratio_low, now.p99_ratio_high),
                         format_fraction(*bound_), format_duration(now.p99_on), format_duration(now.p99_off),
                         now.pauses);
    }
  }
  if (throttled_.above(bound_->value, kWronglyEnded))
    return fmt::format("production is throttled for {} of its time with the shadow on, {} in {} pauses, bound {} more",
                       format_fraction(Fraction{on_.throttled_share()}),
                       format_fraction(Fraction{off_.throttled_share()}), throttled_.count(), format_fraction(*bound_));
  return std::nullopt;
}

}  // namespace gnomon::session
