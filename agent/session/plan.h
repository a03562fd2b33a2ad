#pragma once
// What a session shall do, and what it says of itself. The domain side of SessionSpec and SessionStatus.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/compare/tally.h"
#include "agent/egress/guard.h"
#include "agent/noise/check.h"
#include "agent/session/progress.h"
#include "agent/session/watchdog.h"
#include "document/profile.h"
#include "document/service.h"

namespace gnomon::session {

struct Block {
  int index = 0;
  bool treatment = false;
  Nanos duration{0};
  Nanos settle{0};
};

struct Plan {
  std::string id;
  document::Service service;
  document::Profile profile;
  std::uint64_t seed = 0;
  Nanos warm_up{0};
  std::vector<Block> blocks;          // all, in order
  std::vector<int> completed_blocks;  // not to be run again
};

enum class State { kPending, kStarting, kWarming, kRunning, kCompleted, kFailed };

struct Report {
  std::string id;
  State state = State::kPending;
  std::string message;
  std::vector<int> completed_blocks;
  int current_block = -1;
  int shadow_pid = 0;
  MilliCpu shadow_cpu;
  Bytes shadow_memory;
  std::string oci_runtime;  // the program that started it
  Progress progress;
  double sampled_fraction = 0;
  double multiplicity = 0;
  std::optional<double> representativeness;  // sampling::Representativeness::score and worst()
  std::string least_represented;
  std::string noise_engine;
  std::vector<egress::Attempt> egress;            // what the shadow wanted to reach, most often first
  std::string warm_up;                            // when it ended, and whether latency was steady; empty: not yet
  std::optional<ProductionCost> production_cost;  // once a pause has told
  std::vector<noise::Check> noise_checks;         // of all treatment since the noise was last changed
  std::vector<compare::Counts> responses;         // what came of comparing them, by class of endpoint
  std::string responses_problem;                  // why they are not compared although that is asked for
  std::vector<std::string> log_tail;
  friend bool operator==(const Report&, const Report&) = default;
};

}  // namespace gnomon::session
