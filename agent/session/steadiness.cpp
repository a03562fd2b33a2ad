#include "agent/session/steadiness.h"

#include <algorithm>
#include <cmath>

#include "common/units.h"
#include "fmt/format.h"

namespace gnomon::session {
namespace {

constexpr std::uint64_t kEnoughRequests = 20;
constexpr std::size_t kWindows = 3;
constexpr double kTolerance = 0.1;
constexpr double kMostChance = 0.3;     // of the median
constexpr double kNobodyNotices = 5e4;  // ns

}  // namespace

void Steadiness::add(const telemetry::Histogram& service_time) {
  collected_.merge(service_time);
  if (collected_.count() < kEnoughRequests) return;
  const auto at = [this](double q) { return static_cast<double>(collected_.quantile(q)->count()); };
  // Of a normal distribution: sqrt(pi / 2) standard deviations, each 1 / 1.349 of the distance between its quartiles.
  const double error = 1.2533 * (at(0.75) - at(0.25)) / 1.349 / std::sqrt(static_cast<double>(collected_.count()));
  last_.push_back({.median = at(0.5), .error = error});
  if (last_.size() > kWindows) last_.erase(last_.begin());
  collected_ = {};
  ++windows_;
}

bool Steadiness::steady() const {
  if (last_.size() < kWindows) return false;
  const auto [low, high] = std::ranges::minmax_element(last_, {}, &Window::median);
  // While it changes fast within a window as well, its spread is no chance.
  const double chance = std::min(2 * std::hypot(low->error, high->error), kMostChance * low->median);
  return high->median - low->median <= std::max(kTolerance * low->median, kNobodyNotices) + chance;
}

std::string Steadiness::describe() const {
  if (last_.size() < kWindows) return "too few requests to tell";
  std::string medians;
  for (const Window& window : last_)
    medians += (medians.empty() ? "medians " : ", ") + format_duration(Nanos(std::llround(window.median)));
  return medians;
}

}  // namespace gnomon::session
