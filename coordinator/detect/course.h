#pragma once
// The recent course of a series compared with all its earlier ones.

#include <cstddef>
#include <vector>

namespace gnomon::detect {

// Squared differences of the last observations from those k before, for every lag k at once, with exponential weights:
// a streaming matrix profile (Yeh et al., ICDM 2016) that needs one multiplication a lag and adds up no rounding
// errors. About 160 KiB.
class PastCourses {
 public:
  static constexpr std::size_t kLags = 4096;
  static constexpr double kWindow = 24;  // observations, mean weight

  PastCourses();
  void push(double value);

  std::size_t count() const { return count_; }
  // What was pushed `lag` before the last value; lag < count() and lag <= kLags.
  double before(std::size_t lag) const { return values_[newest_ + lag]; }
  // Root mean square distance, less the difference in level, from the most alike earlier course; 0 while there is none.
  double shape_distance() const { return shape_distance_; }
  // The lag of the earlier course that is nearest with its level; 0 while there is none.
  std::size_t nearest_lag() const { return nearest_lag_; }

 private:
  void compare();
  void search();

  std::vector<double> values_;         // newest first from newest_
  std::vector<double> square_, mean_;  // by lag: weighted sums of squared and plain differences
  std::size_t newest_, count_ = 0, nearest_lag_ = 0;
  double shape_distance_ = 0;
};

}  // namespace gnomon::detect
