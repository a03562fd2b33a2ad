#pragma once
// What can be unusual about an observation, as numbers >= 0 without unit: unchanged when all values are scaled or
// shifted.

#include <array>
#include <cstddef>

#include "coordinator/detect/robust.h"

namespace gnomon::detect {

enum class Aspect {
  kStep,        // change from the last value
  kExtreme,     // beyond the usual range of values
  kDaily,       // off what this time of day usually has
  kDailyLevel,  // the same, less how far off the last values were
  kHourScale,   // off what this time of day usually has, in units of what this hour usually is off
  kRankStep,    // change of the normal score of the rank
  kLevel,       // mean normal score of the last 24
  kSpread,      // variance of the normal scores of the last 24: too wide, or too even
  kNovelty,     // code length of the last values and changes, given the two before
  kVolatility,  // size of recent changes over that of earlier ones
};
inline constexpr std::size_t kAspects = 10;
using Aspects = std::array<double, kAspects>;  // by Aspect

// Order-2 context model over 12 symbols with forgetting; code lengths as in prediction by partial matching (Cleary and
// Witten, 1984), each order's estimate being the prior of the next.
class ContextModel {
 public:
  static constexpr std::size_t kSymbols = 12;
  double code_length(std::size_t symbol);  // in nats, before the symbol is learnt

 private:
  std::array<double, kSymbols> order0_{};
  std::array<std::array<double, kSymbols>, kSymbols> order1_{};
  std::array<std::array<double, kSymbols>, kSymbols * kSymbols> order2_{};
  std::size_t last_ = 0, before_ = 0;
};

// Turns a series into aspects, one observation at a time. An aspect is 0 while its baseline is unknown. About 40 KiB.
class Features {
 public:
  Features();
  // time in seconds since 1970; both finite.
  Aspects push(double time, double value);

 private:
  void range(double value, double epsilon, Aspects& out);
  void season(double time, double value, double epsilon, Aspects& out);
  void recent(double normal_score, Aspects& out);

  static constexpr std::size_t kRecent = 24;
  double last_ = 0, last_score_ = 0;
  std::size_t count_ = 0;
  Reservoir values_{300, 4000}, steps_{300, 3000};
  Scale step_scale_{0.002}, day_scale_{0.002}, level_scale_{0.002};
  std::array<Scale, 24> hour_scale_;
  SeasonalProfile day_{86400, 96, 0.15};
  Average day_level_{24}, novelty_{16}, short_steps_{12}, long_steps_{200};
  ContextModel contexts_;
  std::array<double, kRecent> scores_{};
};

}  // namespace gnomon::detect
