#include "agent/session/progress.h"

#include <algorithm>
#include <cmath>

#include "agent/session/plan.h"

namespace gnomon::session {
namespace {

constexpr int kWarmUp = -1;

const char* name_of(ProgressMeter::Activity activity) {
  using Activity = ProgressMeter::Activity;
  switch (activity) {
    case Activity::kStarting:
      return "starting";
    case Activity::kWarmingUp:
      return "warming up";
    case Activity::kSettling:
      return "settling";
    case Activity::kMeasuring:
      return "measuring";
    case Activity::kDraining:
      return "draining";
    case Activity::kPausing:
      return "pausing";
    case Activity::kWaiting:
      return "waiting for production";
  }
  return "";
}

}  // namespace

ProgressMeter::ProgressMeter(Nanos warm_up, const std::vector<Block>& blocks, const std::vector<int>& completed) {
  parts_.push_back({.index = kWarmUp, .duration = warm_up});
  for (const Block& block : blocks) {
    const bool is_done = std::ranges::count(completed, block.index) > 0;
    parts_.push_back({.index = block.index,
                      .duration = block.duration,
                      .settle = block.settle,
                      .settled = is_done ? block.settle : Nanos(0),
                      .measured = is_done ? block.duration - block.settle : Nanos(0)});
  }
  done_before_ = done();
}

// A block that is cut by pauses settles anew after each: of that only the first time is in the plan.
Nanos ProgressMeter::Part::done() const {
  return std::min(duration, std::min(settle, settled) + measured);
}

void ProgressMeter::begin(int block, MonoTime now) {
  pass_to(now);
  const auto found = std::ranges::find(parts_, std::max(block, kWarmUp), &Part::index);
  if (found == parts_.end()) return;
  found->settled = found->measured = Nanos(0);
  part_ = static_cast<std::size_t>(found - parts_.begin());
  if (block < 0 || in_blocks_) return;
  in_blocks_ = true;
  done_at_blocks_ = done();
  passed_at_blocks_ = passed_;
}

void ProgressMeter::turn_to(Activity activity, MonoTime now) {
  pass_to(now);
  activity_ = activity;
  if (activity == Activity::kPausing) ++pauses_;
}

// What a start takes is in no plan.
void ProgressMeter::pass_to(MonoTime now) {
  if (activity_ != Activity::kStarting) spend(now - since_);
  since_ = now;
}

void ProgressMeter::spend(Nanos span) {
  passed_ += span;
  Part& part = parts_[part_];
  if (activity_ == Activity::kSettling) part.settled += span;
  if (activity_ == Activity::kMeasuring || activity_ == Activity::kWarmingUp) part.measured += span;
}

Nanos ProgressMeter::planned() const {
  Nanos sum{0};
  for (const Part& part : parts_) sum += part.duration;
  return sum;
}

Nanos ProgressMeter::done() const {
  Nanos sum{0};
  for (const Part& part : parts_) sum += part.done();
  return sum;
}

Progress ProgressMeter::tell(MonoTime now) const {
  ProgressMeter until_now = *this;
  until_now.pass_to(now);
  Progress told{.activity = name_of(activity_), .planned = planned(), .done = until_now.done(), .pauses = pauses_};
  told.besides = until_now.passed_ - (told.done - done_before_);
  told.left = told.planned - told.done;
  const Nanos in_blocks = told.done - done_at_blocks_;
  if (in_blocks_ && in_blocks > Nanos(0))
    told.left = Nanos(std::llround(static_cast<double>(told.left.count()) *
                                   static_cast<double>((until_now.passed_ - passed_at_blocks_).count()) /
                                   static_cast<double>(in_blocks.count())));
  return told;
}

}  // namespace gnomon::session
