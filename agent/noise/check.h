#pragma once
// Is the noise that was injected the one that was asked for? Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "agent/noise/noise.h"

namespace gnomon::noise {

// As measured in a session. What lies from low to high is as asked: beyond it a correct engine comes once in a
// thousand.
struct Check {
  std::string kind, engine;  // field of NoiseParameters, name_of() an Engine
  double asked = 0, measured = 0, low = 0, high = 0;
  std::uint64_t samples = 0;  // 0: nothing happened that the noise could have met
  bool off = false;
  std::string dependency = {};  // whose path it is on; empty: the shadow's own
  friend bool operator==(const Check&, const Check&) = default;
};

// Events among trials against a share: the binomial's central 99.9%.
Check check_share(std::string kind, std::string engine, Fraction asked, std::uint64_t events, std::uint64_t trials);

// Mean and deviation of the delays that took effect, in ns: within 5%, or 2 ms if that is more, and 3.29 standard
// errors of a sample of this size. Of a deviation whose standard error is infinite there is no check (common/delay.h).
std::vector<Check> check_delay(const NoiseModel& asked, const Tally& tally, std::string engine);

// Of a limit: at most 5% more than asked, and one packet of 64 KiB. `bits` over `seconds`.
Check check_rate(std::string kind, std::string engine, double asked_bits_per_s, double bits, double seconds);

}  // namespace gnomon::noise
