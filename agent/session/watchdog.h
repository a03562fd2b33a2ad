#pragma once
// What a session costs production: its service time and throttling while the session works, against pauses in which it
// does not.

#include <cstdint>
#include <optional>
#include <string>

#include "agent/session/centre.h"
#include "common/units.h"
#include "telemetry/sample.h"

namespace gnomon::session {

struct ProductionCost {
  unsigned pauses = 0;    // compared with work beside them
  unsigned left_out = 0;  // that were not, as one side had too few requests
  // Working ÷ paused: the median over pauses, and a 95% confidence sequence, which holds whenever it is looked at; its
  // ends are 0 while there is too little to tell.
  double p99_ratio = 1, p99_ratio_low = 0, p99_ratio_high = 0;
  Nanos p99_on{0}, p99_off{0};                 // geometric means
  double throttled_on = 0, throttled_off = 0;  // share of time
  double throttles_on = 0, throttles_off = 0;  // periods of its quota in which it was throttled, a second
  double lost_on = 0, lost_off = 0;            // share of the captured bytes
  double bound = 0;                            // of p99_ratio − 1; 0: none
  bool exceeded = false;
  friend bool operator==(const ProductionCost&, const ProductionCost&) = default;
};

// "+7.4% (5.1% to 9.8%)".
std::string describe_change(double ratio, double low, double high);

// Pure. A pause is compared with as long a time of work beside it, before or after as was drawn: were the session to
// cost nothing, either could be the other, whatever production does by itself, and the logarithm of their p99s' ratio
// would lie symmetrically around zero. So it is a paired test that stays valid however often one looks (see Centre).
//
// The p99 of some hundred requests is the worst of them, and varies by a third. What slows production's requests mostly
// slows all slow ones: the same test of the geometric mean of p90, p95, p97.5 and p99 needs a third of the pauses.
class Watchdog {
 public:
  struct Window {  // of production
    telemetry::Histogram service_time;
    Nanos throttled{0}, span{0};
    std::uint64_t throttles = 0, bytes = 0, lost_bytes = 0;
    void add(const telemetry::Sample& sample);
  };
  explicit Watchdog(std::optional<Fraction> bound) : bound_(bound) {}  // none: costs are only told

  // Work, and the pause beside it. Pairs with too few requests to tell a p99 are left out.
  void add(const Window& working, const Window& paused);

  ProductionCost cost() const;
  // Why the session is to be ended, for people: it is certain (97.5%) that production's p99, or its slow requests as a
  // whole, take longer by more than the bound, and by more than what matters (0.1 ms), or (97.5%) that it is throttled
  // for so much more of its time. nullopt: it may go on.
  const std::optional<std::string>& exceeded() const { return exceeded_; }

 private:
  // A service time, compared.
  struct Compared {
    Centre ratio{0.2};  // logarithms
    double log_on = 0, log_off = 0;
    void add(double log_working, double log_paused);
    Nanos on() const, off() const;  // geometric means; there is a pair
  };
  struct Totals {
    Nanos throttled{0}, span{0};
    std::uint64_t throttles = 0, bytes = 0, lost_bytes = 0;
    void add(const Window& window);
    double throttled_share() const, throttles_a_second() const, lost_share() const;
  };

  std::optional<std::string> find_excess() const;
  std::optional<std::string> find_excess(const Compared& compared, const char* what) const;

  const std::optional<Fraction> bound_;
  Compared p99_, slow_;
  Centre throttled_{0.02};  // differences of shares of time
  Totals on_, off_;
  unsigned left_out_ = 0;
  std::optional<std::string> exceeded_;
};

}  // namespace gnomon::session
