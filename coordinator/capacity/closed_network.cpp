#include "coordinator/capacity/closed_network.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::capacity {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();  // log of 0
using Logs = std::vector<double>;  // logarithms of a station's, or a network's, weight of 0..N clients

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kNone ? a : a + std::log1p(std::exp(b - a));
}

Logs convolve(const Logs& a, const Logs& b) {
  Logs out(a.size(), kNone);
  for (std::size_t n = 0; n < out.size(); ++n) {
    double most = kNone;
    for (std::size_t k = 0; k <= n; ++k) most = std::max(most, a[k] + b[n - k]);
    if (most == kNone) continue;
    double sum = 0;
    for (std::size_t k = 0; k <= n; ++k) sum += std::exp(a[k] + b[n - k] - most);
    out[n] = most + std::log(sum);
  }
  return out;
}

// demand^n over the product of how many servers are busy with 1..n there.
Logs weights(double demand, double servers, std::size_t clients) {
  Logs out(clients + 1, kNone);
  out[0] = 0;
  for (std::size_t n = 1; n <= clients && demand > 0; ++n)
    out[n] = out[n - 1] + std::log(demand / std::min<double>(static_cast<double>(n), servers));
  return out;
}

bool is_valid(const std::vector<Station>& stations, double think) {
  double total = think;
  for (const Station& station : stations) {
    if (!(station.demand >= 0) || station.servers < 1) return false;
    total += station.demand;
  }
  return think >= 0 && total > 0 && std::isfinite(total);
}

}  // namespace

std::vector<ClosedPoint> closed_network(const std::vector<Station>& stations, double think, int clients) {
  if (clients < 1 || !is_valid(stations, think)) return {};
  const auto count = static_cast<std::size_t>(clients);
  // before[i] is the network of thinking and the stations before i, after[i] that of those from i on.
  std::vector<Logs> each, before{weights(think, static_cast<double>(clients), count)}, after;
  for (const Station& station : stations) each.push_back(weights(station.demand, station.servers, count));
  for (const Logs& station : each) before.push_back(convolve(before.back(), station));
  after.assign(stations.size() + 1, weights(0, 1, count));
  for (std::size_t i = stations.size(); i-- > 0;) after[i] = convolve(after[i + 1], each[i]);
  const Logs& all = before.back();

  std::vector<ClosedPoint> out;
  for (std::size_t n = 1; n <= count; ++n) {
    const double throughput = std::exp(all[n - 1] - all[n]);
    out.push_back({static_cast<int>(n), throughput, static_cast<double>(n) / throughput - think, {}});
  }
  for (std::size_t i = 0; i < stations.size(); ++i) {
    const Logs others = convolve(before[i], after[i + 1]);
    for (std::size_t n = 1; n <= count; ++n) {
      double present = kNone;
      for (std::size_t k = 1; k <= n; ++k)
        present = log_add(present, std::log(static_cast<double>(k)) + each[i][k] + others[n - k]);
      out[n - 1].present.push_back(std::exp(present - all[n]));
    }
  }
  return out;
}

AsymptoticBounds asymptotic_bounds(const std::vector<Station>& stations, double think) {
  if (!is_valid(stations, think)) return {std::nan(""), std::nan("")};
  double total = think, largest = 0;
  for (const Station& station : stations) {
    total += station.demand;
    largest = std::max(largest, station.demand / station.servers);
  }
  return {1 / largest, total / largest};
}

}  // namespace gnomon::capacity
