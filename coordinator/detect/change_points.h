#pragma once
// Since when a series is another: lasting changes of its level or its spread, each reported once.

#include <cstdint>
#include <optional>
#include <vector>

#include "coordinator/detect/robust.h"
#include "coordinator/detect/tail.h"

namespace gnomon::detect {

struct Change {
  enum class Kind { kLevel, kSpread };
  Kind kind = Kind::kLevel;      // which of the two explains more of it
  std::int64_t ago = 0;          // observations since the first that is different; about kWindow
  double before = 0, after = 0;  // means of the kWindow on either side, outliers bounded, less what is usual in season
  double surprise = 0;           // -log10 of how often this series splits so clearly
};

// At every observation the likelihood ratio of a split in the middle of the last 2 kWindow (Gaussian, of mean and
// variance), judged by how large it was in the same series before those: what goes up and down each day is no change.
// The largest of a rise above the level is reported when it is over.
class ChangePoints {
 public:
  static constexpr std::int64_t kWindow = 48;  // observations on either side; two days of hours

  // false_alarms: at most so many an observation, of a series that stays as it is. season, in observations: what is
  // usual at this time of it, learnt from the seasons before, is no part of a change; 0: there is none.
  explicit ChangePoints(double false_alarms = 1e-4, std::size_t season = 0);
  // What is not finite is missing and changes nothing.
  std::optional<Change> push(double value);

 private:
  struct Half {
    double mean = 0, variance = 0;
  };
  Half half(std::int64_t newest) const;
  double at(std::int64_t back) const;
  bool without_season(double& value);
  double bounded(double value);

  double level_;
  std::vector<double> recent_, ratios_;  // rings of 2 kWindow
  std::vector<double> usual_;            // by phase of the season
  std::int64_t seen_ = 0, count_ = 0, candidate_at_ = 0;
  Reservoir values_{300, 4000};
  TailCalibrator tail_{5000};
  std::optional<Change> candidate_;
  double candidate_ratio_ = 0;
};

}  // namespace gnomon::detect
