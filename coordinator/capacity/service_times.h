#pragma once
// Service times as a law with no assumed form, and what a queue of them makes wait. Pure; all times in one unit.

#include <array>
#include <vector>

namespace gnomon::capacity {

// The logarithm of the quantile function, piecewise linear in the normal score (a straight line is a lognormal).
class ServiceTimes {
 public:
  static constexpr std::array<double, 8> kScores = {-1.6449, -0.6745, 0, 0.8416, 1.2816, 1.6449, 2.3263, 3.0902};
  static constexpr int kMedian = 2;  // where kScores is 0

  // `log_slopes[i]` is the logarithm of the slope between scores i and i + 1.
  ServiceTimes(double log_median, const std::array<double, 7>& log_slopes);

  double mean() const { return mean_; }
  double moment(int k) const;     // E[S^k] for k = 1, 2, 3
  double beyond(double t) const;  // P(S > t)
  double excess_beyond(
      double t) const;  // P of the equilibrium residual: integral of P(S > x) over x > t, over the mean
  // Quadrature points in ascending order and their probabilities.
  const std::vector<double>& points() const { return points_; }
  const std::vector<double>& weights() const { return weights_; }

 private:
  std::array<double, 8> logs_;
  double low_slope_, high_slope_, mean_ = 0;
  std::vector<double> points_, weights_, tail_weight_, tail_sum_;
};

// The delay before service: none with probability 1 - delayed(), else a law on a grid.
class Delay {
 public:
  struct Load {
    int servers = 1;
    double utilisation = 0;  // of all servers when all are busy, in [0, 1)
    double delayed = 0;      // probability of waiting
    double stretch = 1;      // of service times when all servers are busy
    double variability = 1;  // multiplies the backlog in front; 1 for Poisson arrivals
    double paused = 0;       // probability of arriving in, or in the wake of, an interruption of all servers
    double pause = 0;        // its length: what is left of the backlog it makes is uniform over 0..pause
  };
  Delay(const ServiceTimes& service, const Load& load);

  double delayed() const { return delayed_; }
  double mean() const { return delayed_ * conditional_mean_; }
  double beyond(double t) const;  // given that there is a delay

 private:
  double delayed_, step_, conditional_mean_ = 0;
  std::vector<double> cumulative_;  // probability up to (k + 1/2) steps
};

}  // namespace gnomon::capacity
