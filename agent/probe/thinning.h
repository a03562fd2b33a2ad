#pragma once
// How many of a service's exchanges are measured: enough for its quantiles, and no more than nobody can feel.

#include <algorithm>
#include <cmath>

#include "bpf/abi/probe.h"

namespace gnomon::probe {

// The thinning to go on with (Probe::set_thinning) at so many exchanges a second, having measured with `current`. All
// are measured up to 4,000 a second; beyond, 1,500 to 3,000 of them after each change. Changed only when 1,000 to 4,000
// is left, as each change is one more for who compares spans.
inline unsigned thinning_for(double exchanges_per_second, unsigned current) {
  constexpr double kFewest = 1'000, kWanted = 1'500, kMost = 4'000;
  const double measured = std::ldexp(exchanges_per_second, -static_cast<int>(current));
  if (measured <= kMost && (measured >= kFewest || current == 0)) return current;
  const double doublings = std::floor(std::log2(std::max(1.0, exchanges_per_second / kWanted)));
  return static_cast<unsigned>(std::min(doublings, static_cast<double>(PROBE_MOST_THINNING)));
}

}  // namespace gnomon::probe
