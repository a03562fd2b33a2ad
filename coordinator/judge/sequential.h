#pragma once
// Evidence that may be looked at after every observation. Each class keeps an e-process: a product of bets that, while
// there is no difference, is on average at most 1 whenever one stops, so that it ever reaches 1 / level with
// probability at most level (Ville 1939; Ramdas, Grünwald, Vovk and Shafer 2023). Pure; a few hundred bytes each.

#include <array>
#include <cstddef>
#include <vector>

#include "coordinator/judge/ranks.h"

namespace gnomon::judge {

enum class Alternative { kHigher, kLower, kEither };

// A mixture of bets with equal weights, kept as logarithms.
class Bets {
 public:
  explicit Bets(std::size_t bets) : logs_(bets, 0.0) {}
  std::size_t size() const { return logs_.size(); }
  void multiply(std::size_t bet, double log_factor) { logs_[bet] += log_factor; }
  double log_value() const;  // of the mixture

 private:
  std::vector<double> logs_;
};

// Paired differences treatment - control. No difference: each is symmetric around `expected` given the past, which
// holds whenever the sides of a pair could be swapped, whatever the distribution and however it changes. A bet of size
// b on a difference of u scales is exp(b u) / cosh(b u) (de la Pena 1999); the scale is a running mean of earlier
// distances, so no result depends on the unit.
class PairedEvidence {
 public:
  explicit PairedEvidence(Alternative alternative = Alternative::kEither, double expected = 0);
  // A difference that is no finite number is no evidence. The first one only sets the scale.
  void add(double difference);
  double log_e_value() const { return bets_.log_value(); }
  double e_value() const;                       // up to 1e300
  double p_value() const;                       // 1 over the largest so far: valid at any time
  bool reached(double level) const;             // whether p_value() <= level
  std::size_t count() const { return count_; }  // of finite differences

 private:
  std::vector<double> sizes_;
  Bets bets_;
  double expected_, scale_ = 0, largest_log_ = 0;
  std::size_t count_ = 0;
};

// Events (errors, values beyond a limit that was fixed before) on two sides. No difference: an event is treatment's
// with probability at most its part of the exposure (requests, seconds). Bets on rate ratios from 1.1 to 10.
class EventEvidence {
 public:
  explicit EventEvidence(Alternative alternative = Alternative::kEither);
  // What one interval brought: events and exposures of both sides. Without exposure on both it is no evidence.
  void add(double control_events, double control_exposure, double treatment_events, double treatment_exposure);
  double log_e_value() const { return bets_.log_value(); }
  double e_value() const;
  double p_value() const;
  bool reached(double level) const;

 private:
  std::vector<double> ratios_;
  Bets bets_;
  double largest_log_ = 0;
};

// A confidence sequence: with probability at least 1 - level the share is within its limits at all times. Mixture over
// Beta(1/2, 1/2) (Robbins 1970), limits by bisection; [0, 1] without trials.
Interval share_at_any_time(double successes, double trials, double level);

// A confidence sequence of the median of independent values: those order statistics whose ranks the share of values
// below the median may have. Infinite limits where there are too few values; NaN estimate when empty.
Interval median_at_any_time(const Sample& sample, double level);

}  // namespace gnomon::judge
