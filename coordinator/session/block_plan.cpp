#include "coordinator/session/block_plan.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "fmt/format.h"

namespace gnomon::session {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortest{15'000};
constexpr milliseconds kLongest{24 * 3'600'000};
constexpr milliseconds kLongestWarmUp{5'000};
constexpr milliseconds kUsualPair{2 * 4'000};
constexpr milliseconds kLongestSettle{1'000};

}  // namespace

absl::StatusOr<BlockPlan> plan_blocks(milliseconds duration, std::uint64_t seed) {
  if (duration < kShortest || duration > kLongest)
    return absl::InvalidArgumentError(fmt::format("{} ms: a session takes {} ms (15 s) to {} ms (24 h)",
                                                  duration.count(), kShortest.count(), kLongest.count()));
  BlockPlan plan;
  plan.warm_up = std::min(kLongestWarmUp, duration / 6);
  const milliseconds rest = duration - plan.warm_up;
  const long pairs =
      std::clamp(std::lround(static_cast<double>(rest.count()) / static_cast<double>(kUsualPair.count())), 3l, 12l);
  plan.block = rest / (2 * pairs);
  plan.settle = std::min(kLongestSettle, plan.block / 4);
  std::mt19937_64 random(seed);
  for (int pair = 0; pair < pairs; ++pair) {
    const bool treatment_first = (random() & 1) != 0;
    plan.blocks.push_back({.treatment = treatment_first, .pair = pair});
    plan.blocks.push_back({.treatment = !treatment_first, .pair = pair});
  }
  return plan;
}

}  // namespace gnomon::session
