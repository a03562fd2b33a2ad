#pragma once
// Running estimates that a few outliers do not carry away. All are pure, deterministic and of bounded size.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gnomon::detect {

// Exponentially weighted mean; the plain mean until the weight 1/n falls below 1 - 2^(-1/half_life).
class Average {
 public:
  explicit Average(double half_life);  // in observations
  void add(double x);
  double mean() const { return mean_; }

 private:
  double gain_, mean_ = 0;
  std::int64_t count_ = 0;
};

// Mean absolute deviation with exponential forgetting, winsorised at five times itself.
class Scale {
 public:
  explicit Scale(double gain) : gain_(gain) {}
  // |x| in units of the scale so far, then adds x. What is below `epsilon` counts as no deviation; 100 for a deviation
  // of something that had none for more than 30 observations; 0 while nothing is known.
  double ratio(double x, double epsilon);
  double value() const { return value_; }
  std::int64_t count() const { return count_; }

 private:
  void add(double x);
  double gain_, value_ = 0;
  std::int64_t count_ = 0;
};

// A sorted random sample of what was seen, with exponential forgetting (biased reservoir sampling, Aggarwal, VLDB
// 2006). Ranks do not change when all values are scaled or shifted.
class Reservoir {
 public:
  Reservoir(std::size_t capacity, double life);  // life: in observations
  void add(double x);
  double rank(double x) const;             // in (0, 1); ties count half; 0.5 when empty
  double quantile(double fraction) const;  // 0 when empty
  std::int64_t count() const { return count_; }

 private:
  double uniform();
  std::vector<double> sorted_;
  std::size_t capacity_;
  double life_;
  std::uint64_t state_ = 88172645463325252U;
  std::int64_t count_ = 0;
};

// The usual value at each phase of a period, smoothed over neighbouring slots.
class SeasonalProfile {
 public:
  SeasonalProfile(double period, std::size_t slots, double gain);  // period in seconds
  // False while nothing is known about this phase.
  bool expected(double time, double& value) const;
  void add(double time, double value);

 private:
  std::size_t slot(double time) const;
  double period_, gain_;
  std::vector<double> mean_;
  std::vector<std::int64_t> count_;
};

// Quantile of the standard normal for p in (0, 1), error below 4.5e-4 (Abramowitz and Stegun 26.2.23).
double normal_quantile(double p);

}  // namespace gnomon::detect
