#pragma once
// What is done to a replayed request on purpose. Pure: the random source is an argument.

#include <random>

#include "common/units.h"

namespace gnomon::noise {

struct NoiseModel {
  Nanos delay_mean{0};
  Nanos delay_stddev{0};  // normal, truncated at zero
  Fraction error_rate;
};

struct Draw {
  Nanos response_delay{0};
  bool fail = false;  // the request is cut off: connection reset instead of a response
};

Draw draw(const NoiseModel& model, std::mt19937_64& random);

}  // namespace gnomon::noise
