#pragma once
// How far a session is in its plan, and what it spends besides. Pure: the time is an argument.

#include <cstddef>
#include <string>
#include <vector>

#include "common/clock.h"

namespace gnomon::session {

struct Block;

struct Progress {
  std::string
      activity;  // "starting", "warming up", "settling", "measuring", "draining", "pausing", "waiting for production"
  Nanos planned{0};  // warm-up and blocks
  Nanos done{0};     // of these
  Nanos besides{0};  // a longer warm-up, pauses, draining before and settling anew after them, blocks run again
  Nanos left{0};     // until the end, if it goes on as it did since its first block; what is planned until then
  unsigned pauses = 0;
  friend bool operator==(const Progress&, const Progress&) = default;
};

class ProgressMeter {
 public:
  enum class Activity { kStarting, kWarmingUp, kSettling, kMeasuring, kDraining, kPausing, kWaiting };

  // Blocks in `completed` are not run: they are done.
  ProgressMeter(Nanos warm_up, const std::vector<Block>& blocks, const std::vector<int>& completed);

  // What follows is of the block, or of one that is run again, from its beginning; negative: of the warm-up.
  void begin(int block, MonoTime now);
  void turn_to(Activity activity, MonoTime now);
  Progress tell(MonoTime now) const;

 private:
  struct Part {
    int index = 0;
    Nanos duration{0}, settle{0};
    Nanos settled{0}, measured{0};  // so far
    Nanos done() const;
  };
  void pass_to(MonoTime now);
  void spend(Nanos span);
  Nanos planned() const;
  Nanos done() const;

  std::vector<Part> parts_;  // the warm-up, then the blocks
  std::size_t part_ = 0;
  Activity activity_ = Activity::kStarting;
  MonoTime since_{};
  Nanos done_before_{0};                           // by a run that this one takes up
  Nanos passed_{0};                                // since the warm-up began
  Nanos done_at_blocks_{0}, passed_at_blocks_{0};  // when the first block began
  bool in_blocks_ = false;
  unsigned pauses_ = 0;
};

}  // namespace gnomon::session
