#pragma once
// Anomaly scores of one series, observation by observation, with the same settings for every series.

#include <array>
#include <cstdint>

#include "coordinator/detect/features.h"
#include "coordinator/detect/tail.h"

namespace gnomon::detect {

struct Settings {
  // Weight of each Aspect's surprise.
  Aspects weight{15.88, 28.70, 3.21, 0.06, 1.22, 0, 4.03, 10.82, 2.38, 0.80};
  double unsurprising = 0.25;  // -log10 of a tail probability that adds nothing
  double most = 8.88;          // of one aspect beyond that
  double power = 0.40;         // below 1, several rather rare aspects count more than one very rare one
  // An alarm as strong as one that is not so long ago is worth less: in proportion to the time since then over this
  // share of what was seen, within the limits (observations).
  double refractory_share = 0.057, refractory_least = 33, refractory_most = 1000, refractory_power = 0.20;
  double half_score = 40;  // combined surprise that scores 0.5
};

struct Anomaly {
  double score = 0;              // in [0, 1): orders observations, across series too
  double surprise = 0;           // -log10 of how often this series has such a score: 3 is one observation in a thousand
  Aspect cause = Aspect::kStep;  // the aspect that adds most; kLevel and kVolatility are change-points
};

// About 70 KiB and a few microseconds an observation.
class Detector {
 public:
  explicit Detector(const Settings& settings = {});
  // time in seconds since 1970, in any order and spacing. A time or value that is not finite is missing: it scores 0
  // and changes nothing.
  Anomaly push(double time, double value);
  std::int64_t observed() const { return observed_; }
  std::int64_t missing() const { return missing_; }

 private:
  Settings settings_;
  Features features_;
  std::array<TailCalibrator, kAspects> tails_;
  Recurrence recurrence_;
  TailCalibrator own_;
  std::int64_t observed_ = 0, missing_ = 0;
};

}  // namespace gnomon::detect
