#include "coordinator/detect/resonance.h"

#include <algorithm>
#include <limits>

namespace gnomon::detect {

double Categories::outside(const Box& box, const Vector& vector, const Vector& per_scale) const {
  double sum = 0, largest = 0;
  for (std::size_t d = 0; d < kDimensions; ++d) {
    const double off = std::max({box.low[d] - vector[d], vector[d] - box.high[d], 0.0}) * per_scale[d];
    sum += off;
    largest = std::max(largest, off);
  }
  return distance_ == Distance::kSum ? sum : largest;
}

void Categories::found(const Vector& vector) {
  const Box box{vector, vector, now_};
  if (boxes_.size() < kMost) {
    boxes_.push_back(box);
    return;
  }
  *std::min_element(boxes_.begin(), boxes_.end(), [](const Box& a, const Box& b) { return a.last < b.last; }) = box;
}

double Categories::push(const Vector& vector, const Vector& scale) {
  ++now_;
  Vector per_scale;
  for (std::size_t d = 0; d < kDimensions; ++d) per_scale[d] = 1 / scale[d];
  Box* nearest = nullptr;
  double distance = 0, size = 0;
  for (Box& box : boxes_) {
    const double off = outside(box, vector, per_scale);
    if (nearest != nullptr && off > distance) continue;
    double sides = 0;
    for (std::size_t d = 0; d < kDimensions; ++d) sides += (box.high[d] - box.low[d]) * per_scale[d];
    if (nearest != nullptr && off == distance && sides >= size) continue;
    nearest = &box;
    distance = off;
    size = sides;
  }
  if (nearest == nullptr || !(distance + size <= size_)) {
    found(vector);
    return distance;
  }
  for (std::size_t d = 0; d < kDimensions; ++d) {
    nearest->low[d] = std::min(nearest->low[d], vector[d]);
    nearest->high[d] = std::max(nearest->high[d], vector[d]);
  }
  nearest->last = now_;
  return distance;
}

}  // namespace gnomon::detect
