#pragma once
// The path to what one egress rule lets a shadow reach: what noise is on it now, and what came of that. On the
// forwarder's thread alone.

#include <cstdint>
#include <optional>
#include <random>

#include "agent/noise/noise.h"
#include "common/clock.h"
#include "common/delay.h"

namespace gnomon::egress {

struct PathNoise {
  noise::NoiseModel model;       // of responses, requests and connections; refusals are not the forwarder's
  std::uint64_t rate_limit = 0;  // of the dependency's responses, bits a second; 0: none
};

struct PathTally {
  noise::Tally tally;
  std::uint64_t bytes = 0;  // of responses, while noise was on
};

class Path {
 public:
  // The delay is the rule's own: there whether noise is on or not.
  Path(Nanos delay_mean, Nanos delay_stddev, std::uint64_t seed);

  // Replaces the noise; it is off, and counted anew.
  void set(const PathNoise& noise);
  void switch_to(bool on);
  const PathTally& tally() const { return tally_; }

  // A request has come. False: it is not to reach the dependency, and its connection is to be reset.
  bool lets_request_through();
  // The first response of a connection in this `phase` of noise (0: in none yet) begins. False: reset it.
  bool lets_response_begin(std::uint64_t& phase);

  struct Delay {
    Nanos own{0}, injected{0};
    std::uint64_t noise = 0;  // which it is of, for delayed(); 0: none
  };
  Delay draw_delay();  // of one response
  void delayed(const Delay& delay, Nanos held);
  // When the next bytes may leave: `due`, or later where the rate is limited.
  MonoTime pace(MonoTime due, std::size_t bytes);
  void passed(std::size_t bytes);  // of a response, on to the shadow

 private:
  const DelayDistribution own_;
  std::mt19937_64 random_;
  PathNoise noise_;
  noise::Injector injector_{{}};
  PathTally tally_;
  bool on_ = false;
  std::uint64_t phases_ = 0, noises_ = 0;
  MonoTime free_{};
};

}  // namespace gnomon::egress
