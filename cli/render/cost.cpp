#include "cli/render/cost.h"

#include <cmath>

#include "common/units.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

std::string change(double ratio) {
  const double more = ratio - 1;
  return fmt::format("{:+.{}f}%", 100 * more, std::fabs(more) < 0.1 ? 1 : 0);
}

std::string limits(const v1::ProductionCost& cost) {
  if (cost.p99_ratio_low() <= 0) return " (too few pauses for an interval)";
  return fmt::format(" (95% interval {} to {})", change(cost.p99_ratio_low()),
                     cost.p99_ratio_high() > 0 ? change(cost.p99_ratio_high()) : "any");
}

}  // namespace

std::string production_cost(const v1::SessionStatus& status) {
  if (!status.has_production_cost()) return "";
  const v1::ProductionCost& cost = status.production_cost();
  const std::string bound =
      cost.bound() > 0 ? "bound " + format_fraction(Fraction{cost.bound()}) : "without a bound: only told";
  if (cost.pauses() == 0)
    return fmt::format("not known: too few requests to tell a p99 in {} pauses; {}", cost.left_out(), bound);
  return fmt::format("production's p99 {}{}: {}, and {} in {} pauses; {}", change(cost.p99_ratio()), limits(cost),
                     format_duration(Nanos(cost.p99_on_ns())), format_duration(Nanos(cost.p99_off_ns())), cost.pauses(),
                     bound);
}

std::string production_throttling(const v1::SessionStatus& status) {
  const v1::ProductionCost& cost = status.production_cost();
  const auto share = [](double value) { return format_fraction(Fraction{value}); };
  std::string text;
  if (cost.throttles_on() > 0 || cost.throttles_off() > 0)
    text =
        fmt::format("production throttled {} of the time ({:.2g} times a second), {} ({:.2g}) in pauses",
                    share(cost.throttled_on()), cost.throttles_on(), share(cost.throttled_off()), cost.throttles_off());
  if (cost.lost_on() > 0 || cost.lost_off() > 0)
    text += fmt::format("{}{} of captured bytes lost, {} in pauses", text.empty() ? "" : "; ", share(cost.lost_on()),
                        share(cost.lost_off()));
  return text;
}

}  // namespace gnomon::cli
