#include "coordinator/session/block_plan.h"

#include <set>

#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(BlockPlan, AMinuteIsSevenPairsAfterFiveSecondsOfWarmUp) {
  const auto plan = *plan_blocks(seconds(60), 1);
  EXPECT_EQ(plan.warm_up, seconds(5));
  EXPECT_EQ(plan.blocks.size(), 14u);
  EXPECT_EQ(plan.block, milliseconds(55'000 / 14));
  EXPECT_LE(plan.settle, seconds(1));
  EXPECT_EQ(plan.settle, plan.block / 4);
}

TEST(BlockPlan, EveryPairHasOneOfEachAndTheOrderFollowsTheSeed) {
  std::set<bool> first_is_treatment;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto plan = *plan_blocks(seconds(120), seed);
    ASSERT_EQ(plan.blocks.size(), 24u);
    for (std::size_t i = 0; i < plan.blocks.size(); i += 2) {
      EXPECT_EQ(plan.blocks[i].pair, plan.blocks[i + 1].pair);
      EXPECT_NE(plan.blocks[i].treatment, plan.blocks[i + 1].treatment);
      first_is_treatment.insert(plan.blocks[i].treatment);
      EXPECT_EQ(plan.blocks[i].treatment, plan_blocks(seconds(120), seed)->blocks[i].treatment);
    }
  }
  EXPECT_EQ(first_is_treatment.size(), 2u);
}

TEST(BlockPlan, BlocksFillTheTimeAndTooLittleTimeIsAnError) {
  for (int duration : {15, 16, 30, 100, 3600}) {
    const auto plan = *plan_blocks(seconds(duration), 1);
    EXPECT_GE(plan.blocks.size(), 6u);
    const auto total = plan.warm_up + plan.block * static_cast<int>(plan.blocks.size());
    EXPECT_LE(total, seconds(duration));
    EXPECT_GE(total, seconds(duration) - milliseconds(30));
  }
  EXPECT_EQ(plan_blocks(milliseconds(14'999), 1).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gnomon::session
