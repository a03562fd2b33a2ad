#include "coordinator/detect/course.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace gnomon::detect {
namespace {
constexpr std::size_t kRoom = 2 * PastCourses::kLags + 1;
constexpr double kFurthest = 1e140;  // whose square is still finite
}  // namespace

PastCourses::PastCourses() : values_(kRoom), square_(kLags + 1), mean_(kLags + 1), newest_(kRoom) {}

void PastCourses::push(double value) {
  if (newest_ == 0) {  // move what is still needed to the end
    std::copy_backward(values_.begin(), values_.begin() + kLags, values_.end());
    newest_ = kRoom - kLags;
  }
  values_[--newest_] = value;
  ++count_;
  compare();
  search();
}

void PastCourses::compare() {
  constexpr double kKeep = 1 - 1 / kWindow;
  const std::size_t lags = std::min(kLags, count_ - 1);
  const double* earlier = values_.data() + newest_;
  const double value = earlier[0];
  double* square = square_.data();
  double* mean = mean_.data();
  for (std::size_t k = 1; k <= lags; ++k) {
    double off = value - earlier[k];
    off = off < kFurthest ? off : kFurthest;
    off = off > -kFurthest ? off : -kFurthest;
    square[k] = kKeep * square[k] + off * off;
    mean[k] = kKeep * mean[k] + off;
  }
}

// Lags so short that the courses overlap by more than half say nothing, nor do those that have just begun.
void PastCourses::search() {
  constexpr std::size_t kFirst = static_cast<std::size_t>(kWindow / 2), kLanes = 4;
  const std::size_t begun = static_cast<std::size_t>(kWindow) + 1;
  nearest_lag_ = 0;
  shape_distance_ = 0;
  if (count_ < begun + kFirst) return;
  const std::size_t end = std::min(kLags, count_ - begun) + 1;
  constexpr double kMost = std::numeric_limits<double>::infinity();
  std::array<double, kLanes> least, least_shape;
  least.fill(kMost);
  least_shape.fill(kMost);
  const auto look = [&](std::size_t k, std::size_t lane) {
    const double mean = mean_[k] / kWindow, shape = square_[k] / kWindow - mean * mean;
    least[lane] = square_[k] < least[lane] ? square_[k] : least[lane];
    least_shape[lane] = shape < least_shape[lane] ? shape : least_shape[lane];
  };
  std::size_t k = kFirst;
  for (; k + kLanes <= end; k += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) look(k + lane, lane);
  for (; k < end; ++k) look(k, 0);
  const double nearest = *std::min_element(least.begin(), least.end());
  nearest_lag_ = static_cast<std::size_t>(
      std::find(square_.begin() + kFirst, square_.begin() + static_cast<std::ptrdiff_t>(end), nearest) -
      square_.begin());
  shape_distance_ = std::sqrt(std::max(0.0, *std::min_element(least_shape.begin(), least_shape.end())));
}

}  // namespace gnomon::detect
