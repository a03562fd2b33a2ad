#include "coordinator/capacity/load_test.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace gnomon::capacity {
namespace {

constexpr int kCount = LoadPoint::kStatistics;
constexpr double kOwn = 0.3;         // of a load's own scatter in its error; the rest is all loads'
constexpr double kSaturated = 0.95;  // answered of what was offered
constexpr std::array<double, kCount> kLeast = {0.004, 0.004, 0.006, 0.01, 0.003};  // errors no model is better than

// Logarithms; the busy share is taken relative to the rate, which takes out how many requests happened to come.
std::array<double, kCount> logs(const Window& w) {
  const auto log = [](double x) { return x > 0 && std::isfinite(x) ? std::log(x) : std::nan(""); };
  const double busy = w.busy > 0 && w.busy <= 1.0001 ? w.busy : std::nan("");
  return {log(w.mean), log(w.p50), log(w.p95), log(w.p99), log(busy / w.achieved)};
}

bool is_usable(const Window& w) {
  const auto values = logs(w);
  const bool any =
      std::any_of(values.begin(), values.begin() + LoadPoint::kBusy, [](double x) { return std::isfinite(x); });
  return w.achieved > 0 && w.requests >= 1 && any && std::isfinite(w.achieved) && std::isfinite(w.requests);
}

// The weighted mean of a statistic, and the scatter about it as the variance of one request.
struct Scatter {
  double mean = 0, squares = 0, requests = 0;
  int windows = 0;
};

Scatter scatter(const std::vector<Window>& windows, std::size_t statistic) {
  Scatter out;
  for (const Window& w : windows) {
    const double value = logs(w)[statistic];
    if (!std::isfinite(value)) continue;
    out.mean += w.requests * value;
    out.requests += w.requests;
    ++out.windows;
  }
  if (out.windows == 0) return out;
  out.mean /= out.requests;
  for (const Window& w : windows) {
    const double value = logs(w)[statistic];
    if (std::isfinite(value)) out.squares += w.requests * (value - out.mean) * (value - out.mean);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<LoadPoint>> pool(const std::vector<Window>& windows) {
  std::map<double, std::vector<Window>> loads;
  for (const Window& w : windows)
    if (is_usable(w)) loads[std::isfinite(w.offered) && w.offered > 0 ? w.offered : w.achieved].push_back(w);
  if (loads.empty()) return absl::InvalidArgumentError("the load test has no window with a rate and a latency");
  std::vector<LoadPoint> points(loads.size());
  for (std::size_t s = 0; s < kCount; ++s) {
    std::vector<Scatter> each;
    double squares = 0;
    int degrees = 0;
    for (const auto& [offered, group] : loads) {
      each.push_back(scatter(group, s));
      squares += each.back().squares;
      degrees += std::max(0, each.back().windows - 1);
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      const Scatter& own = each[i];
      // With one window a load, a request's latency is taken to scatter as an exponential time does.
      const double all = degrees > 0 ? squares / degrees : 4;
      const double here = own.windows > 1 ? kOwn * own.squares / (own.windows - 1) + (1 - kOwn) * all : all;
      points[i].log_value[s] = own.windows > 0 ? own.mean : std::nan("");
      points[i].error[s] = own.windows > 0 ? std::hypot(std::sqrt(here / own.requests), kLeast[s]) : std::nan("");
    }
  }
  std::size_t i = 0;
  for (const auto& [offered, group] : loads) {
    LoadPoint& point = points[i++];
    double windows_seen = 0, squares = 0;
    for (const Window& w : group) {
      point.requests += w.requests;
      point.rate += w.achieved;
      point.error_share += w.error_share > 0 ? w.error_share : 0;
      ++windows_seen;
    }
    point.rate /= windows_seen;
    point.error_share /= windows_seen;
    point.log_value[LoadPoint::kBusy] += std::log(point.rate);
    for (const Window& w : group) squares += (w.achieved - point.rate) * (w.achieved - point.rate);
    // Arrivals in bursts fall short by chance more often than Poisson's; what is saturated answers evenly.
    const double poisson = offered / std::sqrt(point.requests);
    const double seen = windows_seen > 1 ? std::sqrt(squares / (windows_seen - 1) / windows_seen) : 0;
    point.saturated = point.rate < kSaturated * offered - 5 * std::max(poisson, seen);
  }
  std::sort(points.begin(), points.end(), [](const LoadPoint& a, const LoadPoint& b) { return a.rate < b.rate; });
  return points;
}

}  // namespace gnomon::capacity
