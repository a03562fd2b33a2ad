#pragma once
// What a session costs production: its service time while the session works, against pauses in which it does not.

#include <optional>
#include <string>
#include <vector>

#include "common/units.h"
#include "telemetry/histogram.h"

namespace gnomon::session {

struct ProductionCost {
  unsigned pauses = 0;  // that had requests enough, and so had the time before them
  double p99_ratio = 1, p99_ratio_low = 0, p99_ratio_high = 0;  // working ÷ paused, with a 95% interval
  double throttled_on = 0, throttled_off = 0;                   // share of time
  double bound = 0;                                             // of p99_ratio − 1; 0: none
  Nanos p99_on{0}, p99_off{0};                                  // geometric means
  friend bool operator==(const ProductionCost&, const ProductionCost&) = default;
};

// "p99 service time 1.2 ms, 0.9 ms in pauses (×1.31, 95% interval ×1.10 to ×1.55, of 7)".
std::string describe(const ProductionCost& cost);

// Pure. Each pause is compared with the time just before it, of the same length, so that what production does by itself
// is on both sides: were the session to cost nothing, either could be the other, and the logarithm of their p99s' ratio
// would lie symmetrically around zero (a t-test is conservative then). It is looked at after each pause: the k-th look
// spends 1/(k(k+1)) of the 5% of sessions that may be ended wrongly, so that all looks together stay within it.
class Watchdog {
 public:
  struct Window {  // of production
    telemetry::Histogram service_time;
    Nanos throttled{0}, span{0};
  };
  explicit Watchdog(std::optional<Fraction> bound) : bound_(bound) {}  // none: costs are only told

  // The session's work just before a pause, and the pause. Pairs with too few requests to tell a p99 are left out.
  void add(const Window& working, const Window& paused);

  ProductionCost cost() const;  // the interval's ends are 0 while there are fewer than four pauses
  // It is certain that the session costs more than the bound, and more than what matters (0.1 ms).
  bool exceeded() const { return exceeded_; }

 private:
  struct Estimate {
    double mean = 0, error = 0;  // of the logarithm of the ratio
  };
  Estimate estimate() const;

  const std::optional<Fraction> bound_;
  std::vector<double> on_, off_;  // logarithms of p99s, ns
  Nanos throttled_on_{0}, throttled_off_{0}, span_on_{0}, span_off_{0};
  unsigned looks_ = 0;
  bool exceeded_ = false;
};

}  // namespace gnomon::session
