#pragma once
// About one second of one instance or shadow, as the agent measures it and the coordinator stores it.

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "telemetry/counters.h"
#include "telemetry/histogram.h"

namespace gnomon::telemetry {

enum class Role { kProduction, kShadow };

struct Sample {
  std::string session_id;
  Role role = Role::kProduction;
  WallTime end{};
  Nanos span{0};
  int block = -1;        // -1: outside any block
  bool settled = false;  // past the block's settling time: counts for the verdict
  Histogram service_time;
  Histogram response_time;
  std::uint64_t requests = 0, errors = 0, replayed = 0, replay_errors = 0, injected_errors = 0;
  Nanos cpu{0}, throttled{0};
  std::uint64_t throttles = 0;  // periods of its CPU quota in which it was throttled
  std::uint64_t memory_bytes = 0;
  TapCounters tap;
  ReplayCounters replay;
};

}  // namespace gnomon::telemetry
