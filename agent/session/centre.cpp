#include "agent/session/centre.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace gnomon::session {
namespace {

constexpr std::array kBets{0.2, 0.4, 0.8, 1.6, 3.2};
constexpr double kTrustInTypical = 2;  // as in so many differences
constexpr int kBisections = 30;
constexpr double kFar = 20;

double log_cosh(double x) {
  const double distance = std::fabs(x);
  return distance + std::log1p(std::exp(-2 * distance)) - std::log(2.0);
}

}  // namespace

void Centre::add(double difference) {
  const auto before = static_cast<double>(differences_.size());
  scales_.push_back((kTrustInTypical * typical_ + distances_) / (kTrustInTypical + before));
  distances_ += std::fabs(difference - mean_);
  mean_ += (difference - mean_) / (before + 1);
  differences_.push_back(difference);
}

double Centre::estimate() const {
  if (differences_.empty()) return 0;
  std::vector<double> sorted = differences_;
  std::ranges::sort(sorted);
  const std::size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double Centre::low(double level) const {
  return limit(level, 1);
}

double Centre::high(double level) const {
  return -limit(level, -1);
}

bool Centre::above(double value, double level) const {
  return log_wealth(value, 1) > -std::log(level);
}

// Of all bets together on the differences times `sign` lying above `centre`.
double Centre::log_wealth(double centre, int sign) const {
  std::array<double, kBets.size()> logs{};
  for (std::size_t i = 0; i < differences_.size(); ++i) {
    const double scales = (sign * differences_[i] - centre) / scales_[i];
    for (std::size_t bet = 0; bet < kBets.size(); ++bet)
      logs[bet] += kBets[bet] * scales - log_cosh(kBets[bet] * scales);
  }
  const double most = *std::ranges::max_element(logs);
  double sum = 0;
  for (const double one : logs) sum += std::exp(one - most) / static_cast<double>(kBets.size());
  return most + std::log(sum);
}

// The highest value that is rejected as too low a centre of the differences times `sign`.
double Centre::limit(double level, int sign) const {
  const double infinity = std::numeric_limits<double>::infinity();
  if (differences_.empty()) return -infinity;
  const auto rejected = [&](double centre) { return log_wealth(centre, sign) > -std::log(level); };
  // Each bet falls as the centre rises, so that there is one limit: between far below everything, and the highest.
  double reach = 0, above = -infinity;
  for (std::size_t i = 0; i < differences_.size(); ++i) {
    above = std::max(above, sign * differences_[i]);
    reach = std::max({reach, std::fabs(differences_[i]), scales_[i]});
  }
  double below = -kFar * reach;
  if (!rejected(below)) return -infinity;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (below + above) / 2;
    (rejected(middle) ? below : above) = middle;
  }
  return below;
}

}  // namespace gnomon::session
