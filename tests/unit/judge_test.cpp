#include "coordinator/judge/judge.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "coordinator/judge/paired.h"
#include "gtest/gtest.h"

namespace gnomon::judge {
namespace {

using std::chrono::milliseconds;

// One simulated session: log-normal service around 2 ms whose level wanders from block to block, as real machines do.
struct Simulation {
  int pairs = 7;
  int requests = 800;                                  // per block
  double delay_ms = 0, stddev_ms = 0, error_rate = 0;  // injected in treatment
  double excess_ms = 0;                                // treatment's response beyond the noise
  double slow_down = 1;                                // treatment's service time
  double shed = 0;                                     // share of treatment's requests that are shed
  double throttled = 0;                                // share of treatment's span
};

void add_request(BlockData& block, const Simulation& simulation, double service_ms, std::mt19937_64& random) {
  std::uniform_real_distribution<double> share(0, 1);
  ++block.replayed;
  if (block.treatment && (share(random) < simulation.error_rate || share(random) < simulation.shed)) {
    ++block.replay_errors;
    return;
  }
  double delay = 0;
  if (block.treatment && simulation.stddev_ms > 0) {
    std::normal_distribution<double> noise(simulation.delay_ms, simulation.stddev_ms);
    do delay = noise(random);
    while (delay < 0);
  } else if (block.treatment) {
    delay = simulation.delay_ms;
  }
  const double excess = block.treatment ? simulation.excess_ms : 0;
  ++block.requests;
  block.service_time.record(Nanos(std::llround(service_ms * 1e6)));
  block.response_time.record(Nanos(std::llround((service_ms + delay + excess) * 1e6)));
}

std::vector<BlockData> simulate(const Simulation& simulation, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> wander(0, 0.05), body(0, 0.4);
  std::vector<BlockData> blocks;
  for (int pair = 0; pair < simulation.pairs; ++pair)
    for (const bool treatment : {false, true}) {
      BlockData block{.pair = pair, .treatment = treatment, .span = milliseconds(3000)};
      const double level = std::log(2.0 * (treatment ? simulation.slow_down : 1)) + wander(random);
      for (int i = 0; i < simulation.requests; ++i)
        add_request(block, simulation, std::exp(level + body(random)), random);
      block.cpu = milliseconds(400);
      block.throttled = Nanos(treatment ? static_cast<Nanos::rep>(3e9 * simulation.throttled) : 0);
      blocks.push_back(std::move(block));
    }
  return blocks;
}

const MetricVerdict& metric(const Verdict& verdict, const std::string& name) {
  const auto found = std::find_if(verdict.metrics.begin(), verdict.metrics.end(),
                                  [&](const MetricVerdict& one) { return one.metric == name; });
  if (found == verdict.metrics.end()) throw std::out_of_range(name);
  return *found;
}

Expectation seed_profile() {
  return {.delay_mean = milliseconds(50), .delay_stddev = milliseconds(10), .error_rate = 0.01};
}

// Seven pairs whose treatment answers this many milliseconds later than control.
std::vector<BlockData> late_by(const std::vector<double>& excess_ms) {
  std::vector<BlockData> blocks;
  for (std::size_t pair = 0; pair < excess_ms.size(); ++pair)
    for (BlockData& block : simulate({.pairs = 1, .excess_ms = excess_ms[pair]}, 7 + pair)) {
      block.pair = static_cast<int>(pair);
      blocks.push_back(std::move(block));
    }
  return blocks;
}

TEST(Judge, OverloadThatGrowsFromBlockToBlockIsAnAnomalyThoughItsMeanIsUncertain) {
  const Verdict verdict = judge(late_by({9, 20, 35, 60, 160, 420, 1500}), {}, {});
  EXPECT_EQ(Outcome::kAnomaly, metric(verdict, "response_time_p50").outcome) << verdict.summary;
}

TEST(Judge, OneBlockFarOutIsNeitherAnAnomalyNorAPass) {
  const Verdict verdict = judge(late_by({0, 0, 0, 900, 0, 0, 0}), {}, {});
  EXPECT_EQ(Outcome::kInconclusive, metric(verdict, "response_time_p50").outcome) << verdict.summary;
}

TEST(SignedRanks, IntervalIsExact) {
  EXPECT_FALSE(signed_rank_shift({1, 2, 3, 4, 5}, 0.95));  // 2 / 2^5 is the least that can be left out
  // Of the sums' 2^n signs, P(W <= 0) = 1 / 64 for six and P(W <= 2) = 3 / 128 for seven (tables of the signed ranks).
  const auto six = signed_rank_shift({1, 2, 4, 8, 16, 32}, 0.95);
  ASSERT_TRUE(six);
  EXPECT_EQ(1, six->low);
  EXPECT_EQ(32, six->high);
  const auto seven = signed_rank_shift({1, 2, 4, 8, 16, 32, 64}, 0.95);
  ASSERT_TRUE(seven);
  EXPECT_EQ(2, seven->low);    // of 1, 1.5, 2, 2.5, …
  EXPECT_EQ(40, seven->high);  // of 64, 48, 40, 36, …
  EXPECT_EQ(14, seven->estimate);
}

TEST(Judge, WithoutAnyDifferenceItRaisesNoMoreThanFivePercentFalseAlarms) {
  // No tolerance for latency and errors but what is left of the interval: the hardest case for the judge.
  const Tolerance none{.latency_relative = 0, .latency_absolute = Nanos(0), .error_rate = 0, .throttled_share = 0};
  int alarms = 0, alarms_with_defaults = 0;
  const int sessions = 400;
  for (int i = 0; i < sessions; ++i) {
    const auto blocks = simulate({.requests = 200}, 1000 + static_cast<std::uint64_t>(i));
    alarms += metric(judge(blocks, {}, none), "response_time_p50").outcome == Outcome::kAnomaly;
    alarms_with_defaults += judge(blocks, {}, {}).outcome == Outcome::kAnomaly;
  }
  RecordProperty("false_alarms_without_tolerance", alarms);
  EXPECT_LE(alarms, sessions * 5 / 100);
  EXPECT_GE(alarms, 1);  // a judge that can never alarm would pass the line above
  EXPECT_LE(alarms_with_defaults, sessions / 100);
}

TEST(Judge, TheInjectedDelayAndErrorsOfTheProfileAreAsExpected) {
  int as_expected = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Verdict verdict =
        judge(simulate({.delay_ms = 50, .stddev_ms = 10, .error_rate = 0.01}, seed), seed_profile(), {});
    const MetricVerdict& p50 = metric(verdict, "response_time_p50");
    EXPECT_NEAR(p50.shift, 50e6, 2e6);
    EXPECT_NEAR(p50.expected_shift, 50e6, 1e6);
    EXPECT_EQ(p50.outcome, Outcome::kAsExpected) << p50.reason;
    const MetricVerdict& errors = metric(verdict, "error_rate");
    EXPECT_NEAR(errors.shift, 0.01, 0.006);
    EXPECT_EQ(metric(verdict, "service_time_p50").expected_shift, 0);
    EXPECT_NE(verdict.outcome, Outcome::kAnomaly) << verdict.summary;
    as_expected += verdict.outcome == Outcome::kAsExpected;
  }
  EXPECT_GE(as_expected, 34);
}

TEST(Judge, TheTailIsExpectedFromControlConvolvedWithTheNoise) {
  // Control is 2 ms exactly, so that the sum is the normal itself: p99 is mean + 2.326 standard deviations.
  std::vector<BlockData> blocks;
  for (int pair = 0; pair < 3; ++pair)
    for (const bool treatment : {false, true}) {
      BlockData block{.pair = pair, .treatment = treatment};
      block.response_time.record(milliseconds(treatment ? 75 : 2), 1000);
      blocks.push_back(block);
    }
  const Verdict verdict = judge(blocks, seed_profile(), {});
  EXPECT_NEAR(metric(verdict, "response_time_p99").expected_shift, 73.26e6, 0.3e6);
  EXPECT_NEAR(metric(verdict, "response_time_p50").expected_shift, 50e6, 0.3e6);
}

TEST(Judge, ANormalThatWouldGoBelowZeroIsTruncatedThere) {
  std::vector<BlockData> blocks;
  for (int pair = 0; pair < 3; ++pair)
    for (const bool treatment : {false, true}) {
      BlockData block{.pair = pair, .treatment = treatment};
      block.response_time.record(Nanos(1000), 1000);
      blocks.push_back(block);
    }
  const Verdict verdict = judge(blocks, {.delay_mean = Nanos(0), .delay_stddev = milliseconds(10)}, {});
  // The median of a half-normal is 0.6745 standard deviations.
  EXPECT_NEAR(metric(verdict, "response_time_p50").expected_shift, 6.745e6, 0.05e6);
}

TEST(Judge, AShiftBeyondTheInjectedOneIsAnAnomaly) {
  const Verdict verdict =
      judge(simulate({.delay_ms = 50, .stddev_ms = 10, .error_rate = 0.01, .excess_ms = 10}, 5), seed_profile(), {});
  EXPECT_EQ(metric(verdict, "response_time_p50").outcome, Outcome::kAnomaly);
  EXPECT_EQ(verdict.outcome, Outcome::kAnomaly);
  EXPECT_NE(verdict.summary.find("response_time_p50"), std::string::npos) << verdict.summary;
}

TEST(Judge, AParetoDelayIsExpectedWithItsOwnTail) {
  // Around a control without spread the shift is the delay itself: 50 ms on average, deviating by 10.
  std::vector<BlockData> blocks;
  const DelayDistribution delay(DelayShape::kPareto, milliseconds(50), milliseconds(10));
  for (int pair = 0; pair < 4; ++pair)
    for (const bool treatment : {false, true}) {
      BlockData& block = blocks.emplace_back(BlockData{.pair = pair, .treatment = treatment});
      for (int i = 0; i < 1000; ++i)
        block.response_time.record(Nanos(std::llround(1e6 + (treatment ? delay.quantile((i + 0.5) / 1000) : 0))));
    }
  const Expectation pareto{
      .delay_mean = milliseconds(50), .delay_stddev = milliseconds(10), .delay_shape = DelayShape::kPareto};
  const MetricVerdict p99 = judge(blocks, pareto, {}).metrics[1];
  EXPECT_EQ(p99.outcome, Outcome::kAsExpected) << p99.reason;
  EXPECT_NEAR(p99.expected_shift / 1e6, delay.quantile(0.99) / 1e6, 1.5);
  const Expectation normal{.delay_mean = milliseconds(50), .delay_stddev = milliseconds(10)};
  EXPECT_GT(p99.expected_shift, judge(blocks, normal, {}).metrics[1].expected_shift + 10e6);
}

TEST(Judge, WhatLossAddsIsReportedAndNoAnomaly) {
  const std::vector<BlockData> blocks = simulate({.excess_ms = 100}, 5);
  EXPECT_EQ(judge(blocks, {}, {}).metrics[0].outcome, Outcome::kAnomaly);
  const MetricVerdict p50 = judge(blocks, {.unpredicted = true}, {}).metrics[0];
  EXPECT_EQ(p50.outcome, Outcome::kAsExpected);
  EXPECT_NE(p50.reason.find("not predicted"), std::string::npos) << p50.reason;
}

TEST(Judge, RefusedAndResetConnectionsMayAddUpToTheirShareOfErrors) {
  const Expectation more{.error_rate = 0.01, .more_errors = 0.05};
  for (const auto& [rate, outcome] :
       {std::pair{0.01, Outcome::kAsExpected}, {0.05, Outcome::kAsExpected}, {0.15, Outcome::kAnomaly}})
    EXPECT_EQ(judge(simulate({.error_rate = rate}, 5), more, {}).metrics[4].outcome, outcome) << rate;
}

TEST(Judge, NoiseThatWasNotDeliveredIsNotAPass) {
  const Verdict verdict = judge(simulate({}, 5), seed_profile(), {});
  EXPECT_EQ(metric(verdict, "response_time_p50").outcome, Outcome::kInconclusive);
  EXPECT_EQ(verdict.outcome, Outcome::kInconclusive);
}

TEST(Judge, OverloadShowsInServiceTimeThrottlingAndErrors) {
  const Verdict verdict = judge(simulate({.slow_down = 20, .shed = 0.2, .throttled = 0.6}, 11), {}, {});
  EXPECT_EQ(metric(verdict, "service_time_p50").outcome, Outcome::kAnomaly);
  EXPECT_EQ(metric(verdict, "service_time_p99").outcome, Outcome::kAnomaly);
  EXPECT_EQ(metric(verdict, "throttled_share").outcome, Outcome::kAnomaly);
  EXPECT_EQ(metric(verdict, "error_rate").outcome, Outcome::kAnomaly);
  EXPECT_NEAR(metric(verdict, "throttled_share").shift, 0.6, 0.001);
}

TEST(Judge, CpuPerRequestIsReportedButNeverAnAnomaly) {
  std::vector<BlockData> blocks = simulate({}, 3);
  for (BlockData& block : blocks)
    if (block.treatment) block.cpu *= 50;
  const MetricVerdict cpu = metric(judge(blocks, {}, {}), "cpu_per_request");
  EXPECT_EQ(cpu.outcome, Outcome::kAsExpected);
  EXPECT_NEAR(cpu.shift, 49 * 400e6 / 800, 1);
}

TEST(Judge, FewPairsAreInconclusiveHoweverClearTheyLook) {
  const Verdict verdict = judge(simulate({.pairs = 2, .slow_down = 20}, 3), {}, {});
  for (const MetricVerdict& one : verdict.metrics) EXPECT_EQ(one.outcome, Outcome::kInconclusive) << one.metric;
  EXPECT_EQ(verdict.outcome, Outcome::kInconclusive);
}

TEST(Judge, FewRequestsAreInconclusive) {
  const Verdict verdict = judge(simulate({.requests = 15}, 3), {}, {});
  EXPECT_EQ(metric(verdict, "response_time_p50").outcome, Outcome::kInconclusive);
  EXPECT_EQ(metric(verdict, "error_rate").outcome, Outcome::kInconclusive);
  EXPECT_EQ(verdict.outcome, Outcome::kInconclusive);
}

TEST(Judge, AHighQuantileNeedsMoreRequestsThanTheMedian) {
  const Verdict verdict = judge(simulate({.requests = 50}, 3), {}, {});
  EXPECT_EQ(metric(verdict, "response_time_p50").outcome, Outcome::kAsExpected);
  EXPECT_EQ(metric(verdict, "response_time_p99").outcome, Outcome::kInconclusive);
}

TEST(Judge, NoDataIsInconclusive) {
  const Verdict verdict = judge({}, seed_profile(), {});
  EXPECT_EQ(verdict.outcome, Outcome::kInconclusive);
  EXPECT_EQ(verdict.metrics.size(), 7u);
}

TEST(Judge, APairThatMissesAHalfIsLeftOut) {
  std::vector<BlockData> blocks = simulate({}, 3);
  blocks.pop_back();
  EXPECT_EQ(metric(judge(blocks, {}, {}), "response_time_p50").pairs, 6u);
}

TEST(Judge, PairsWithoutAnyVarianceAreJudgedByTheirShiftAlone) {
  std::vector<BlockData> blocks;
  for (int pair = 0; pair < 4; ++pair)
    for (const bool treatment : {false, true}) {
      BlockData block{
          .pair = pair, .treatment = treatment, .replayed = 1000, .requests = 1000, .span = milliseconds(3000)};
      block.response_time.record(milliseconds(2), 1000);
      block.service_time.record(milliseconds(2), 1000);
      blocks.push_back(block);
    }
  const Verdict verdict = judge(blocks, {}, {});
  const MetricVerdict& p99 = metric(verdict, "response_time_p99");
  EXPECT_EQ(p99.shift, 0);
  EXPECT_EQ(p99.shift_low, p99.shift_high);
  EXPECT_EQ(verdict.outcome, Outcome::kAsExpected) << verdict.summary;
}

TEST(Judge, AnErrorRateOverFewRequestsHasAtLeastTheBinomialsWidth) {
  std::vector<BlockData> blocks = simulate({.pairs = 3, .requests = 110}, 3);
  const MetricVerdict errors = metric(judge(blocks, {}, {}), "error_rate");
  EXPECT_EQ(errors.shift, 0);
  EXPECT_GT(errors.shift_high, 0.005);
  EXPECT_EQ(errors.outcome, Outcome::kInconclusive) << errors.reason;
}

}  // namespace
}  // namespace gnomon::judge
