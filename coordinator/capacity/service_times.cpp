#include "coordinator/capacity/service_times.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gnomon::capacity {
namespace {

constexpr double kLowest = -3.6, kHighest = 4.4, kSpacing = 0.05;  // normal scores of the quadrature
constexpr std::size_t kCells = 320;

double normal_beyond(double score) {
  return 0.5 * std::erfc(score / M_SQRT2);
}

std::vector<double> convolve(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] < 1e-14) continue;
    for (std::size_t j = 0; i + j < out.size(); ++j) out[i + j] += a[i] * b[j];
  }
  return out;
}

// Masses at 0, step, 2 step, … of a law given by its survival function.
template <class Survival>
std::vector<double> discretise(const Survival& beyond, double step) {
  std::vector<double> out(kCells);
  double before = 1;
  for (std::size_t k = 0; k < kCells; ++k) {
    const double after = beyond((static_cast<double>(k) + 0.5) * step);
    out[k] = before - after;
    before = after;
  }
  return out;
}

// A geometric number of terms, each with probability `rho` (Panjer 1981).
std::vector<double> compound_geometric(const std::vector<double>& term, double rho) {
  std::vector<double> out(term.size());
  const double scale = rho / (1 - rho * term[0]);
  out[0] = (1 - rho) / (1 - rho * term[0]);
  for (std::size_t k = 1; k < out.size(); ++k) {
    double sum = 0;
    for (std::size_t j = 1; j <= k; ++j) sum += term[j] * out[k - j];
    out[k] = scale * sum;
  }
  return out;
}

}  // namespace

ServiceTimes::ServiceTimes(double log_median, const std::array<double, 7>& log_slopes) {
  logs_[kMedian] = log_median;
  for (std::size_t i = kMedian; i < 7; ++i)
    logs_[i + 1] = logs_[i] + std::exp(log_slopes[i]) * (kScores[i + 1] - kScores[i]);
  for (std::size_t i = kMedian; i-- > 0;)
    logs_[i] = logs_[i + 1] - std::exp(log_slopes[i]) * (kScores[i + 1] - kScores[i]);
  low_slope_ = std::exp(log_slopes.front());
  high_slope_ = std::exp(log_slopes.back());
  double total = 0;
  std::size_t at = 0;
  for (double score = kLowest; score <= kHighest; score += kSpacing) {
    while (at < 6 && score > kScores[at + 1]) ++at;
    const double log = score < kScores[0]   ? logs_[0] + low_slope_ * (score - kScores[0])
                       : score > kScores[7] ? logs_[7] + high_slope_ * (score - kScores[7])
                                            : logs_[at] + (logs_[at + 1] - logs_[at]) * (score - kScores[at]) /
                                                              (kScores[at + 1] - kScores[at]);
    points_.push_back(std::exp(log));
    weights_.push_back(std::exp(-score * score / 2));
    total += weights_.back();
  }
  tail_weight_.assign(points_.size() + 1, 0);
  tail_sum_.assign(points_.size() + 1, 0);
  for (std::size_t i = points_.size(); i-- > 0;) {
    weights_[i] /= total;
    tail_weight_[i] = tail_weight_[i + 1] + weights_[i];
    tail_sum_[i] = tail_sum_[i + 1] + weights_[i] * points_[i];
  }
  mean_ = tail_sum_[0];
}

double ServiceTimes::moment(int k) const {
  double sum = 0;
  for (std::size_t i = 0; i < points_.size(); ++i) sum += weights_[i] * std::pow(points_[i], k);
  return sum;
}

double ServiceTimes::beyond(double t) const {
  if (!(t > 0)) return 1;
  const double log = std::log(t);
  if (log <= logs_[0]) return normal_beyond(kScores[0] + (log - logs_[0]) / low_slope_);
  if (log >= logs_[7]) return normal_beyond(kScores[7] + (log - logs_[7]) / high_slope_);
  const auto i = static_cast<std::size_t>(std::upper_bound(logs_.begin(), logs_.end(), log) - logs_.begin()) - 1;
  return normal_beyond(kScores[i] + (kScores[i + 1] - kScores[i]) * (log - logs_[i]) / (logs_[i + 1] - logs_[i]));
}

double ServiceTimes::excess_beyond(double t) const {
  const auto i = static_cast<std::size_t>(std::upper_bound(points_.begin(), points_.end(), t) - points_.begin());
  return std::max(0.0, tail_sum_[i] - t * tail_weight_[i]) / mean_;
}

// Given that all servers are busy (Tijms, van Hoorn & Federgruen, Adv. Appl. Prob. 13, 1981): the wait is the least of
// the servers' residual service times and, for each customer in front, a residual service time shared by all servers.
Delay::Delay(const ServiceTimes& service, const Load& load) : delayed_(1 - (1 - load.delayed) * (1 - load.paused)) {
  const double c = load.servers, share = load.stretch * load.variability / c, rho = load.utilisation;
  const double first = service.moment(1), second = service.moment(2), third = service.moment(3);
  const double term = share * second / (2 * first), term2 = share * share * third / (3 * first),
               backlog = rho / (1 - rho);
  const double mean = backlog * term, deviation = std::sqrt(backlog * (term2 + backlog * term * term));
  const double residual = load.stretch * second / (2 * first) / std::sqrt(c);
  step_ = (mean + 7 * deviation + 2 * residual + load.pause * (load.paused > 0)) / kCells;
  const auto compound =
      compound_geometric(discretise([&](double t) { return service.excess_beyond(t / share); }, step_), rho);
  const auto least = discretise([&](double t) { return std::pow(service.excess_beyond(t / load.stretch), c); }, step_);
  std::vector<double> law = convolve(least, compound);
  for (double& mass : law) mass *= load.delayed;
  law[0] += 1 - load.delayed;
  if (load.paused > 0) {
    auto wake = discretise([&](double t) { return std::max(0.0, 1 - t / load.pause); }, step_);
    for (double& mass : wake) mass *= load.paused;
    const double untouched = 1 - load.paused;
    wake[0] += untouched;
    law = convolve(law, wake);
  }
  if (delayed_ > 0) {
    law[0] = std::max(0.0, law[0] - (1 - delayed_));
    double sum = 0;
    for (std::size_t k = 0; k < law.size(); ++k) {
      law[k] /= delayed_;
      sum += law[k];
      cumulative_.push_back(std::min(sum, 1.0));
      conditional_mean_ += law[k] * static_cast<double>(k) * step_;
    }
  }
}

double Delay::beyond(double t) const {
  if (!(t > 0)) return 1;
  const double position = t / step_ - 0.5;
  if (cumulative_.empty() || position >= static_cast<double>(cumulative_.size() - 1)) return 0;
  if (position < 0) return 1 - cumulative_[0] * (position + 0.5) / 0.5;
  const auto k = static_cast<std::size_t>(position);
  return 1 - (cumulative_[k] + (cumulative_[k + 1] - cumulative_[k]) * (position - static_cast<double>(k)));
}

}  // namespace gnomon::capacity
