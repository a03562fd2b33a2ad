#include "coordinator/detect/service.h"

#include <algorithm>

namespace gnomon::detect {

ServiceDetector::ServiceDetector(std::size_t series) : joint_(5000) {
  detectors_.reserve(series);
  for (std::size_t i = 0; i < series; ++i) detectors_.emplace_back();
}

ServiceAnomaly ServiceDetector::push(double time, std::span<const double> values) {
  ServiceAnomaly out;
  double sum = 0;
  for (std::size_t i = 0; i < std::min(values.size(), detectors_.size()); ++i) {
    const Anomaly anomaly = detectors_[i].push(time, values[i]);
    sum += std::max(0.0, anomaly.surprise - 1);
    if (i == 0 || anomaly.surprise > out.anomaly.surprise) {
      out.series = i;
      out.anomaly = anomaly;
    }
  }
  out.surprise = rate_.push(joint_.push(sum));
  return out;
}

}  // namespace gnomon::detect
