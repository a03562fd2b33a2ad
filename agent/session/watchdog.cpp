#include "agent/session/watchdog.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "fmt/format.h"

namespace gnomon::session {
namespace {

constexpr std::uint64_t kFewRequests = 20;     // in a window
constexpr double kWronglyEnded = 0.025;        // sessions, for service time, and as many for throttling
constexpr double kOfEach = kWronglyEnded / 2;  // of the two tests of service time
constexpr std::array kSlow{0.9, 0.95, 0.975, 0.99};
constexpr double kLeastCost = 1e5;  // ns

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

double log_quantile(const Watchdog::Window& window, double q) {
  return std::log(std::max(1.0, static_cast<double>(window.service_time.quantile(q)->count())));
}

double log_slow(const Watchdog::Window& window) {
  double sum = 0;
  for (const double q : kSlow) sum += log_quantile(window, q);
  return sum / static_cast<double>(kSlow.size());
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
    p99_.add(log_quantile(working, 0.99), log_quantile(paused, 0.99));
    slow_.add(log_slow(working), log_slow(paused));
  }
  if (bound_ && !exceeded_) exceeded_ = find_excess();
}

void Watchdog::Compared::add(double log_working, double log_paused) {
  log_on += log_working;
  log_off += log_paused;
  ratio.add(log_working - log_paused);
}

Nanos Watchdog::Compared::on() const {
  return Nanos(std::llround(std::exp(log_on / static_cast<double>(ratio.count()))));
}

Nanos Watchdog::Compared::off() const {
  return Nanos(std::llround(std::exp(log_off / static_cast<double>(ratio.count()))));
}

ProductionCost Watchdog::cost() const {
  ProductionCost cost{.pauses = static_cast<unsigned>(p99_.ratio.count()),
                      .left_out = left_out_,
                      .throttled_on = on_.throttled_share(),
                      .throttled_off = off_.throttled_share(),
                      .throttles_on = on_.throttles_a_second(),
                      .throttles_off = off_.throttles_a_second(),
                      .lost_on = on_.lost_share(),
                      .lost_off = off_.lost_share(),
                      .bound = bound_.value_or(Fraction{}).value,
                      .exceeded = exceeded_.has_value()};
  if (p99_.ratio.count() == 0) return cost;
  cost.p99_on = p99_.on();
  cost.p99_off = p99_.off();
  cost.p99_ratio = std::exp(p99_.ratio.estimate());
  const double low = p99_.ratio.low(kWronglyEnded), high = p99_.ratio.high(kWronglyEnded);
  if (std::isfinite(low)) cost.p99_ratio_low = std::exp(low);
  if (std::isfinite(high)) cost.p99_ratio_high = std::exp(high);
  return cost;
}

std::optional<std::string> Watchdog::find_excess(const Compared& compared, const char* what) const {
  if (compared.ratio.count() == 0) return std::nullopt;
  const double bound = std::max(bound_->value, kLeastCost / static_cast<double>(compared.off().count()));
  if (!compared.ratio.above(std::log1p(bound), kOfEach)) return std::nullopt;
  const auto end = [](double log) { return std::isfinite(log) ? std::exp(log) : 0; };
  return fmt::format("production's {} {} with the shadow on, bound {}: {} against {} in {} pauses", what,
                     describe_change(std::exp(compared.ratio.estimate()), end(compared.ratio.low(kOfEach)),
                                     end(compared.ratio.high(kOfEach))),
                     format_fraction(*bound_), format_duration(compared.on()), format_duration(compared.off()),
                     compared.ratio.count());
}

std::optional<std::string> Watchdog::find_excess() const {
  if (auto excess = find_excess(p99_, "p99")) return excess;
  if (auto excess = find_excess(slow_, "slow requests (p90 to p99)")) return excess;
  if (throttled_.above(bound_->value, kWronglyEnded))
    return fmt::format("production is throttled for {} of its time with the shadow on, {} in {} pauses, bound {} more",
                       format_fraction(Fraction{on_.throttled_share()}),
                       format_fraction(Fraction{off_.throttled_share()}), throttled_.count(), format_fraction(*bound_));
  return std::nullopt;
}

}  // namespace gnomon::session
