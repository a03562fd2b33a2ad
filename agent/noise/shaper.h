#pragma once
// The queue that a shadow's responses go through while noise is on: a class of htb, limited in rate, with netem under
// it to reorder. What is not given NOISE_CLASS (agent/noise/packets.h) passes it by.

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "common/units.h"

namespace gnomon::noise {

struct Shape {
  std::uint64_t rate = 0;  // bits a second; 0: no limit
  Fraction reordering;     // of the packets, this share overtakes those before it, which wait for kReorderDelay
  bool any() const { return rate > 0 || reordering.value > 0; }
};
inline constexpr Nanos kReorderDelay = std::chrono::milliseconds(10);

class Shaper {
 public:
  // On a link of the calling thread's network namespace, which the queues go with; responses pass as before until
  // set().
  static absl::StatusOr<std::unique_ptr<Shaper>> make(const char* link);
  virtual ~Shaper() = default;
  virtual absl::Status set(const Shape& shape) = 0;

  struct Totals {  // since make(); of reordering since it was last set anew
    std::uint64_t bytes = 0, packets = 0, reordered = 0;
  };
  virtual absl::StatusOr<Totals> read() = 0;
};

// Whether that queueing discipline can be had, tried on loopback in the calling thread's network namespace; an error
// says why not.
absl::Status try_queue(const char* kind);

}  // namespace gnomon::noise
