#pragma once
// What was injected, against what was asked for, kind by kind. Pure.

#include <vector>

#include "agent/noise/check.h"
#include "agent/noise/engine.h"
#include "agent/noise/shaper.h"
#include "bpf/abi/noise.h"
#include "document/noise.h"

namespace gnomon::session {

struct Injected {            // since the noise was last changed, while it was on
  noise::Tally tally;        // by the replay path, or the forwarder
  noise_counters packets{};  // by tc
  noise::Shaper::Totals shaped;
  double limited_bits = 0;  // that passed the rate's limit
  Nanos on{0};
};

// What the replay path, or the forwarder, is to inject, but for refusals.
noise::NoiseModel model_of(const document::Noise& noise);

std::vector<noise::Check> check_injected(const document::Noise& asked, const std::vector<noise::Use>& uses,
                                         const Injected& injected);

// `now` − `before`, of each counter.
noise_counters since(const noise_counters& before, const noise_counters& now);

}  // namespace gnomon::session
