#pragma once
// When a session pauses, to tell what it costs production. Pure: equal seeds give equal moments.

#include <cstdint>
#include <random>
#include <vector>

#include "common/clock.h"

namespace gnomon::session {

class Pauses {
 public:
  explicit Pauses(std::uint64_t seed) : random_(seed) {}

  // Lengths of what is left of a block's measured time when pauses cut it at random moments: 5 to 15 s apart at first,
  // the further the more there have been. Each is at least 5 s, or all of it; there is a pause at the end of each.
  std::vector<Nanos> cut(Nanos measured);

  // The next pause is compared with the work before it, or with that after it: drawn, so that nothing production does
  // by itself at certain times, or more and more of, can look like the session's doing.
  bool before();

 private:
  std::mt19937_64 random_;
  unsigned pauses_ = 0;
};

// How long a pause and the work beside it are looked at: long enough for 50 requests at the rate of `requests` in
// `span`, from 0.7 to 3 s, and no more than half of `most`.
Nanos window_length(std::uint64_t requests, Nanos span, Nanos most);

}  // namespace gnomon::session
