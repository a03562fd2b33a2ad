// How far a session is: what is planned, what of it is done, what comes on top, what is left.

#include "agent/session/progress.h"

#include "agent/session/plan.h"
#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;
using Activity = ProgressMeter::Activity;

class ProgressTest : public ::testing::Test {
 protected:
  void turn_to(Activity activity) { meter_.turn_to(activity, now_); }
  void pass(Nanos span) { now_ += span; }
  Progress told() const { return meter_.tell(now_); }
  // A part of a block, and the pause after it.
  void run_piece(Nanos measured) {
    turn_to(Activity::kSettling);
    pass(1s);
    turn_to(Activity::kMeasuring);
    pass(measured);
    turn_to(Activity::kDraining);
    pass(500ms);
    turn_to(Activity::kPausing);
    pass(1500ms);
  }
  void warm_up(Nanos length) {
    meter_.begin(-1, now_);
    turn_to(Activity::kWarmingUp);
    pass(length);
    turn_to(Activity::kPausing);
    pass(1s);
  }

  MonoTime now_{};
  const std::vector<Block> blocks_{{.index = 0, .duration = 11s, .settle = 1s},
                                   {.index = 1, .duration = 11s, .settle = 1s}};
  ProgressMeter meter_{5s, blocks_, {}};
};

TEST_F(ProgressTest, BeginsWithTheWarmUp) {
  turn_to(Activity::kStarting);
  pass(3s);
  EXPECT_EQ(told(), (Progress{.activity = "starting", .planned = 27s, .left = 27s}));
  meter_.begin(-1, now_);
  turn_to(Activity::kWarmingUp);
  pass(2s);
  EXPECT_EQ(told(), (Progress{.activity = "warming up", .planned = 27s, .done = 2s, .left = 25s}));
  pass(5s);
  EXPECT_EQ(told().done, 5s);
  EXPECT_EQ(told().besides, 2s) << "it took longer than was planned";
}

TEST_F(ProgressTest, PausesAndWhatTheyTakeComeOnTop) {
  warm_up(5s);
  meter_.begin(0, now_);
  run_piece(4s);
  EXPECT_EQ(told().done, 5s + 5s);
  EXPECT_EQ(told().besides, 1s + 2s);
  EXPECT_EQ(told().activity, "pausing");
  run_piece(6s);
  EXPECT_EQ(told().done, 5s + 11s) << "it settles once, as planned";
  EXPECT_EQ(told().besides, 1s + 2s + 1s + 2s);
  EXPECT_EQ(told().pauses, 3u);
}

TEST_F(ProgressTest, WhatIsLeftTakesAsMuchMoreAsWhatIsDone) {
  warm_up(5s);
  meter_.begin(0, now_);
  run_piece(4s);
  run_piece(6s);  // 11 s of a block in 16 s
  EXPECT_EQ(told().left, 16s);
  meter_.begin(1, now_);
  run_piece(10s);
  EXPECT_EQ(told().done, 27s);
  EXPECT_EQ(told().left, 0s);
}

TEST_F(ProgressTest, ABlockThatIsRunAgainIsNotDoneYet) {
  warm_up(5s);
  meter_.begin(0, now_);
  turn_to(Activity::kSettling);
  pass(1s);
  turn_to(Activity::kMeasuring);
  pass(4s);
  turn_to(Activity::kWaiting);
  pass(2s);
  EXPECT_EQ(told().done, 10s);
  meter_.begin(0, now_);
  EXPECT_EQ(told().done, 5s);
  EXPECT_EQ(told().besides, 1s + 5s + 2s);
  EXPECT_EQ(told().left, 22s) << "nothing tells yet how long it takes";
}

TEST_F(ProgressTest, BlocksOfAnEarlierRunAreDoneAndTookNoTime) {
  meter_ = ProgressMeter(5s, blocks_, {0});
  EXPECT_EQ(told().done, 11s);
  warm_up(5s);
  EXPECT_EQ(told().done, 16s);
  EXPECT_EQ(told().besides, 1s);
  meter_.begin(1, now_);
  run_piece(5s);
  EXPECT_EQ(told().done, 22s);
  EXPECT_EQ(std::chrono::round<std::chrono::milliseconds>(told().left), 6667ms) << "6 s of it took 8";
}

}  // namespace
}  // namespace gnomon::session
