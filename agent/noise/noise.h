#pragma once
// What the replay path does to a replayed request or its connection on purpose. Pure: the random source is an argument.

#include <cstdint>
#include <random>

#include "common/delay.h"
#include "common/units.h"

namespace gnomon::noise {

struct NoiseModel {
  Nanos delay_mean{0};
  Nanos delay_stddev{0};
  Fraction error_rate;
  DelayShape delay_shape = DelayShape::kNormal;
  Fraction refusal, reset;  // of connections
};

struct Draw {
  Nanos response_delay{0};
  bool fail = false;  // the request is cut off: connection reset instead of a response
};

class Injector {
 public:
  explicit Injector(const NoiseModel& model)
      : model_(model), delay_(model.delay_shape, model.delay_mean, model.delay_stddev) {}
  Draw draw(std::mt19937_64& random) const;
  Nanos draw_delay(std::mt19937_64& random) const;

 private:
  NoiseModel model_;
  DelayDistribution delay_;
};

// True with that probability; nothing is drawn for 0.
bool happens(Fraction probability, std::mt19937_64& random);

// What was injected, counted as it took effect.
struct Tally {
  std::uint64_t requests = 0, failed = 0;      // that were sent and got an answer, or none in time; cut off
  std::uint64_t delayed = 0;                   // responses that were held back
  double delay_sum = 0, delay_squares = 0;     // of these, for how long: ns and ns²
  std::uint64_t connections = 0, refused = 0;  // attempted
  std::uint64_t responding = 0, reset = 0;     // connections on which a response began; cut off within it

  void add_delay(Nanos held);
  Tally& operator+=(const Tally& other);
  friend bool operator==(const Tally&, const Tally&) = default;
};

}  // namespace gnomon::noise
