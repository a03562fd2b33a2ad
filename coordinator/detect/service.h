#pragma once
// One score for a service from all of its series.

#include <cstddef>
#include <span>
#include <vector>

#include "coordinator/detect/detector.h"

namespace gnomon::detect {

struct ServiceAnomaly {
  double surprise = 0;     // -log10 of how often this service is so unusual over all of its series
  std::size_t series = 0;  // that adds most
  Anomaly anomaly;         // of that series
};

// The series' surprises are added beyond 1 (Fisher's combination, 1932, cut off), and the sum is calibrated on its own
// past, so that series that move together do not count as independent witnesses.
class ServiceDetector {
 public:
  explicit ServiceDetector(std::size_t series);
  // One value a series at this time; NaN where there is none. Values beyond the number of series are ignored.
  ServiceAnomaly push(double time, std::span<const double> values);

 private:
  std::vector<Detector> detectors_;
  TailCalibrator joint_;
  SurpriseCalibrator rate_;
};

}  // namespace gnomon::detect
