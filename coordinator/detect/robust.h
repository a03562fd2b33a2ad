#pragma once
// Running estimates that a few outliers do not carry away. All are pure, deterministic and of bounded size.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace gnomon::detect {

// Exponentially weighted mean; the plain mean of the first `window` observations.
class Average {
 public:
  explicit Average(double window) : gain_(1 / window) {}
  void add(double x);
  double mean() const { return mean_; }

 private:
  double gain_, mean_ = 0;
  std::int64_t count_ = 0;
};

// The least and the greatest of what was seen.
class Range {
 public:
  void add(double x);
  double beyond(double x) const;  // distance outside; 0 inside and while nothing was seen
  double width() const { return least_ <= most_ ? most_ - least_ : 0; }
  double most() const { return most_; }

 private:
  double least_ = std::numeric_limits<double>::infinity(), most_ = -std::numeric_limits<double>::infinity();
};

// Mean absolute deviation with exponential forgetting, winsorised at five times itself.
class Scale {
 public:
  explicit Scale(double gain) : gain_(gain) {}
  // |x| in units of the scale so far, then adds x. What is below `epsilon` counts as no deviation; 100 for a deviation
  // of something that had none for more than 30 observations; 0 while nothing is known.
  double ratio(double x, double epsilon);

 private:
  void add(double x);
  double gain_, value_ = 0;
  std::int64_t count_ = 0;
};

// A sorted random sample of what was seen, with exponential forgetting (biased reservoir sampling, Aggarwal, VLDB
// 2006).
class Reservoir {
 public:
  Reservoir(std::size_t capacity, double life);  // life: in observations
  void add(double x);
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

}  // namespace gnomon::detect
