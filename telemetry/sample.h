#pragma once
// About one second of one instance or shadow, as the agent measures it and the coordinator stores it.

#include <cstdint>
#include <string>

#include "common/clock.h"
#include "telemetry/histogram.h"

namespace gnomon::telemetry {

enum class Role { kProduction, kShadow };

// Where captured bytes went; every way of losing one has a counter (proto/gnomon/v1/telemetry.proto says what each is).
struct TapCounters {
  std::uint64_t connections = 0, sampled_connections = 0, bytes = 0, requests = 0, lost_records = 0, lost_bytes = 0,
                broken_streams = 0, unparsable_streams = 0, truncated_requests = 0, oversized_requests = 0,
                unjoinable_streams = 0, withheld_writes = 0;
  TapCounters& operator+=(const TapCounters& other);
  friend bool operator==(const TapCounters&, const TapCounters&) = default;
};

// Where replayed requests went. Over all blocks, offered × multiplicity = copies = answered + refused + reset +
// timed_out + shed + cancelled + injected errors (Sample::injected_errors) + still scheduled or in flight. Of these
// errors are error_answers (answered), refused, reset, timed_out, shed and the injected ones.
struct ReplayCounters {
  std::uint64_t offered = 0, copies = 0, answered = 0, error_answers = 0, refused = 0, reset = 0, timed_out = 0,
                shed = 0, cancelled = 0, late = 0;
  ReplayCounters& operator+=(const ReplayCounters& other);
  friend bool operator==(const ReplayCounters&, const ReplayCounters&) = default;
};

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
  std::uint64_t memory_bytes = 0;
  TapCounters tap;
  ReplayCounters replay;
};

}  // namespace gnomon::telemetry
