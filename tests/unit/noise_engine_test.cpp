#include "agent/noise/engine.h"

#include "agent/noise/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::noise {
namespace {

using ::testing::HasSubstr;

document::Noise everything() {
  document::Noise noise{.response_delay_mean = std::chrono::milliseconds(50), .error_rate = Fraction{0.01}};
  noise.packet_loss = noise.packet_duplication = noise.packet_reordering = Fraction{0.01};
  noise.rate_limit = 10'000'000;
  noise.connection_refusal = noise.connection_reset = Fraction{0.01};
  return noise;
}

TEST(NoiseEngine, EachKindHasTheEngineThatDoesItBest) {
  const auto chosen = choose(everything(), {});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(describe(*chosen),
            "replay path (response_delay, error_rate, connection_reset), tc (packet_loss, packet_duplication, "
            "connection_refusal), netem (packet_reordering), htb (rate_limit)");
}

TEST(NoiseEngine, WhatIsNotAskedForNeedsNothing) {
  const Capabilities none{.tc = "no", .htb = "no", .netem = "no"};
  EXPECT_EQ(describe(*choose({}, none)), "none");
}

TEST(NoiseEngine, TheReplayPathRefusesConnectionsWhereTcCannot) {
  const auto chosen = choose({.connection_refusal = Fraction{0.1}}, {.tc = "no"});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(describe(*chosen), "replay path (connection_refusal)");
}

TEST(NoiseEngine, WhatTheNodeDoesNotHaveIsAnErrorWithARemedy) {
  const absl::Status status = choose(everything(), {.netem = "Object not found"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      status.message(),
      "noise_parameters.packet_reordering: this node has no netem (Object not found): modprobe sch_netem, run the "
      "session on another node, or leave it out");
  EXPECT_THAT(choose({.packet_loss = Fraction{0.1}}, {.tc = "no"}).status().message(), HasSubstr("packet_loss"));
  EXPECT_THAT(choose({.rate_limit = 10000}, {.htb = "no"}).status().message(), HasSubstr("modprobe sch_htb"));
}

TEST(NoiseCheck, AShareIsOffBeyondWhatTheBinomialGives) {
  EXPECT_FALSE(check_share("error_rate", "", Fraction{0.01}, 10, 1000).off);
  EXPECT_FALSE(check_share("error_rate", "", Fraction{0.01}, 2, 1000).off);  // P(<= 2) = 0.0027
  EXPECT_TRUE(check_share("error_rate", "", Fraction{0.01}, 0, 1000).off);   // 0.00004
  EXPECT_TRUE(check_share("error_rate", "", Fraction{0.01}, 25, 1000).off);
  EXPECT_FALSE(check_share("error_rate", "", Fraction{0.01}, 0, 100).off);
  EXPECT_FALSE(check_share("error_rate", "", Fraction{0.01}, 0, 0).off);
  EXPECT_FALSE(check_share("error_rate", "", Fraction{1}, 7, 7).off);
  EXPECT_TRUE(check_share("error_rate", "", Fraction{1}, 6, 7).off);
}

TEST(NoiseCheck, SharesThatAreRightAreOffOnceInAThousandSessionsAtMost) {
  std::mt19937_64 random(3);
  int off = 0;
  for (int session = 0; session < 20000; ++session) {
    const auto events = std::binomial_distribution<int>(400, 0.03)(random);
    off += check_share("error_rate", "", Fraction{0.03}, static_cast<std::uint64_t>(events), 400).off ? 1 : 0;
  }
  EXPECT_LT(off, 20 + 5 * std::sqrt(20));
}

Tally held(double mean_ms, double stddev_ms, std::uint64_t n) {
  Tally tally;
  tally.delayed = n;
  tally.delay_sum = mean_ms * 1e6 * static_cast<double>(n);
  tally.delay_squares = (mean_ms * mean_ms + stddev_ms * stddev_ms) * 1e12 * static_cast<double>(n);
  return tally;
}

TEST(NoiseEngine, ThePathToADependencyLeadsThroughTheForwarder) {
  const document::Noise noise{.response_delay_mean = std::chrono::milliseconds(5),
                              .error_rate = Fraction{0.01},
                              .packet_loss = Fraction{0.01},
                              .rate_limit = 1'000'000,
                              .connection_refusal = Fraction{0.01},
                              .connection_reset = Fraction{0.01}};
  const auto chosen = choose_for_dependency(noise, {.htb = "none", .netem = "none"});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(
      describe(*chosen),
      "tc (packet_loss, connection_refusal), forwarder (response_delay, error_rate, rate_limit, connection_reset)");
  const auto without = choose_for_dependency(noise, {.tc = "no"});
  EXPECT_EQ(without.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(NoiseCheck, ADelayIsOffBeyondFivePercentOrTwoMilliseconds) {
  const NoiseModel asked{.delay_mean = std::chrono::milliseconds(100), .delay_stddev = std::chrono::milliseconds(10)};
  const auto off = [&](double mean, double stddev, std::uint64_t n) {
    const std::vector<Check> checks = check_delay(asked, held(mean, stddev, n), "replay path");
    return std::pair(checks.at(0).off, checks.at(1).off);
  };
  EXPECT_EQ(off(100, 10, 10000), std::pair(false, false));
  EXPECT_EQ(off(104.9, 11.9, 10000), std::pair(false, false));
  EXPECT_EQ(off(106, 13, 10000), std::pair(true, true));
  EXPECT_EQ(off(94, 7, 10000), std::pair(true, true));
  EXPECT_EQ(off(106, 13, 20), std::pair(false, false));  // so few tell nothing so small
  EXPECT_EQ(off(0, 0, 0), std::pair(false, false));
}

TEST(NoiseCheck, OfAHeavyTailTheDeviationIsNotChecked) {
  const NoiseModel asked{.delay_mean = std::chrono::milliseconds(100),
                         .delay_stddev = std::chrono::milliseconds(80),
                         .delay_shape = DelayShape::kPareto};
  EXPECT_EQ(check_delay(asked, held(100, 30, 1000), "replay path").size(), 1u);
}

TEST(NoiseCheck, ARateLimitIsOffWhenMoreGoesThrough) {
  EXPECT_FALSE(check_rate("rate_limit", "htb", 1e6, 3e6, 10).off);
  EXPECT_FALSE(check_rate("rate_limit", "htb", 1e6, 10e6, 10).off);
  EXPECT_TRUE(check_rate("rate_limit", "htb", 1e6, 12e6, 10).off);
}

}  // namespace
}  // namespace gnomon::noise
