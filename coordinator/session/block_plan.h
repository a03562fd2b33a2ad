#pragma once
// How a session's time is divided: warm-up, then pairs of one control and one treatment block in random order. Pure.

#include <chrono>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::session {

struct PlannedBlock {
  bool treatment = false;
  int pair = 0;
};

struct BlockPlan {
  std::chrono::milliseconds warm_up{0};
  std::chrono::milliseconds block{0};   // each one's length, of which the first
  std::chrono::milliseconds settle{0};  // does not count
  std::vector<PlannedBlock> blocks;     // in order
};

// `duration` from the first warm-up to the end of the last block: at least 15 s, at most 24 h. Pairs of about 8 s, 3 to
// 12 of them; equal seeds give equal orders.
absl::StatusOr<BlockPlan> plan_blocks(std::chrono::milliseconds duration, std::uint64_t seed);

}  // namespace gnomon::session
