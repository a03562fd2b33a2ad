#pragma once
// What can be unusual about an observation, as numbers >= 0 without unit: unchanged when all values are scaled or
// shifted.

#include <array>
#include <cstddef>

#include "coordinator/detect/course.h"
#include "coordinator/detect/resonance.h"
#include "coordinator/detect/robust.h"

namespace gnomon::detect {

enum class Aspect {
  kRecord,       // beyond all values so far, in units of their range
  kSameTime,     // distance from the nearest value at this time of the last 14 days
  kShape,        // distance of the last 24's shape from that of any earlier ones
  kAnalogue,     // distance from what followed the earlier course that is most like the last
  kLevels,       // value and recent means unlike any before: the largest difference, in units of the values' range
  kEachLevel,    // the same: all differences, each in units of its own range
  kUsualLevels,  // the same, in units of the usual range
  kMove,         // value and step to it unlike any before
  kVolatility,   // step and mean sizes of recent steps unlike any before
};
inline constexpr std::size_t kAspects = 9;
using Aspects = std::array<double, kAspects>;  // by Aspect

// Turns a series into aspects, one observation at a time. An aspect is 0 while its baseline is unknown. About 250 KiB.
class Features {
 public:
  // time in seconds since 1970; both finite.
  Aspects push(double time, double value);

 private:
  void courses(double time, double value, double epsilon, Aspects& out);
  void levels(double value, double epsilon, Aspects& out);
  void moves(double value, double epsilon, Aspects& out);

  static constexpr std::array<double, 3> kWindows{4, 16, 64};  // of recent means, observations
  template <class T>
  using Each = std::array<T, kWindows.size()>;

  std::size_t count_ = 0;
  double first_time_ = 0, last_ = 0;
  Range range_, step_range_, step_size_;
  Each<Range> mean_range_;
  Each<Average> means_{Average(kWindows[0]), Average(kWindows[1]), Average(kWindows[2])}, step_means_ = means_;
  Reservoir values_{300, 4000};
  PastCourses courses_;
  Scale same_time_{0.01}, shape_{0.01}, analogue_{0.01};
  Categories levels_{1, Categories::Distance::kLargest}, each_level_{1, Categories::Distance::kSum},
      usual_levels_{1, Categories::Distance::kSum}, moves_{0.5, Categories::Distance::kSum},
      volatility_{1, Categories::Distance::kSum};
};

}  // namespace gnomon::detect
