#pragma once
// Anomaly scores of one series, observation by observation, with the same settings for every series.

#include <array>
#include <cmath>
#include <cstdint>

#include "coordinator/detect/features.h"
#include "coordinator/detect/tail.h"

namespace gnomon::detect {

// One alarm for one anomaly: after an alarm, only what is clearly stronger counts for a while, and what is the
// strongest for long counts a little more. The while is a share of what was seen, within limits (observations).
class Alarms {
 public:
  // Strength >= 0 as it counts, and the same if it does.
  double push(double strength);

 private:
  Recurrence recurrence_;
  double last_ = 0, pause_ = 1;
  std::int64_t now_ = -1, last_at_ = -1;
};

struct Anomaly {
  double score = 0;              // in [0, 1): orders observations, across series too; from 0.5 it is worth an alarm
  double surprise = 0;           // -log10 of how often this series is so unusual: 3 is one observation in a thousand
  Aspect cause = Aspect::kMove;  // the aspect that adds most
  // What an alarm at this surprise costs: the share of observations of this series, as it usually is, that would raise
  // it falsely.
  double false_alarm_rate() const { return std::pow(10, -surprise); }
};

// About 0.3 MiB and ten microseconds an observation.
class Detector {
 public:
  Detector();
  // time in seconds since 1970, in any order and spacing. A time or value that is not finite is missing: it scores 0
  // and changes nothing.
  Anomaly push(double time, double value);
  std::int64_t observed() const { return observed_; }
  std::int64_t missing() const { return missing_; }

 private:
  Features features_;
  std::array<TailCalibrator, kAspects> tails_;
  Alarms alarms_;
  TailCalibrator own_;
  SurpriseCalibrator rate_;
  std::int64_t observed_ = 0, missing_ = 0;
};

}  // namespace gnomon::detect
