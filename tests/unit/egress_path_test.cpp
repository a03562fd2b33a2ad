// Noise on the path to a dependency, as the forwarder injects and counts it.

#include <cmath>

#include "agent/egress/delay_line.h"
#include "gtest/gtest.h"

namespace gnomon::egress {
namespace {

using namespace std::chrono_literals;

class EgressPath : public ::testing::Test {
 protected:
  // One exchange on a connection of its own: when its response is passed on, or nothing where it is cut off.
  std::optional<Nanos> exchange(std::size_t bytes = 100) {
    DelayLine line(path_);
    const MonoTime asked = now_;
    if (!line.asked() || !line.push(std::string(bytes, 'x'), now_)) return std::nullopt;
    now_ = std::max(now_, line.due());
    line.pop(now_);
    return now_ - asked;
  }
  void noise(const PathNoise& wanted) {
    path_.set(wanted);
    path_.switch_to(true);
  }

  Path path_{10ms, 0ms, 1};
  MonoTime now_{};
};

TEST_F(EgressPath, WithoutNoiseThereIsItsOwnDelayAndNothingIsCounted) {
  EXPECT_EQ(exchange(), 10ms);
  EXPECT_EQ(path_.tally().tally, noise::Tally{});
  noise({.model = {.delay_mean = 20ms}});
  path_.switch_to(false);
  EXPECT_EQ(exchange(), 10ms);
  EXPECT_EQ(path_.tally().tally, noise::Tally{});
}

TEST_F(EgressPath, DelayComesOnTopAndIsMeasuredByItself) {
  noise({.model = {.delay_mean = 20ms, .delay_stddev = 5ms}});
  double sum = 0;
  constexpr int kExchanges = 2000;
  for (int i = 0; i < kExchanges; ++i) sum += std::chrono::duration<double, std::milli>(*exchange()).count();
  EXPECT_NEAR(sum / kExchanges, 30, 0.5);
  const noise::Tally& tally = path_.tally().tally;
  EXPECT_EQ(tally.delayed, static_cast<std::uint64_t>(kExchanges));
  EXPECT_NEAR(tally.delay_sum / kExchanges, 20e6, 0.5e6);
  EXPECT_EQ(tally.requests, static_cast<std::uint64_t>(kExchanges));
}

TEST_F(EgressPath, EachResponseIsDelayedOnceHoweverManyPiecesItHas) {
  noise({.model = {.delay_mean = 20ms}});
  DelayLine line(path_);
  ASSERT_TRUE(line.asked());
  ASSERT_TRUE(line.asked()) << "the request goes on";
  for (int piece = 0; piece < 3; ++piece) {
    ASSERT_TRUE(line.push("piece", now_));
    now_ += 1ms;
  }
  for (const Nanos due : {30ms, 31ms, 32ms}) {
    EXPECT_EQ(line.due().time_since_epoch(), due);
    line.pop(line.due());
  }
  EXPECT_EQ(path_.tally().tally.requests, 1u);
  EXPECT_EQ(path_.tally().tally.delayed, 1u);
}

TEST_F(EgressPath, RequestsFailAndConnectionsAreResetAsOftenAsAskedFor) {
  noise({.model = {.error_rate = Fraction{0.1}, .reset = Fraction{0.2}}});
  constexpr int kExchanges = 5000;
  int answered = 0;
  for (int i = 0; i < kExchanges; ++i) answered += exchange().has_value();
  const noise::Tally& tally = path_.tally().tally;
  EXPECT_EQ(tally.requests, static_cast<std::uint64_t>(kExchanges));
  EXPECT_NEAR(static_cast<double>(tally.failed), 500, 4 * std::sqrt(450));
  EXPECT_EQ(tally.responding, tally.requests - tally.failed);
  EXPECT_NEAR(static_cast<double>(tally.reset), 900, 4 * std::sqrt(720));
  EXPECT_EQ(static_cast<std::uint64_t>(answered), tally.responding - tally.reset);
}

TEST_F(EgressPath, AConnectionThatStaysHasItsChanceOfAResetOnceInEachBlock) {
  noise({.model = {.reset = Fraction{1e-9}}});
  DelayLine line(path_);
  for (int block = 0; block < 3; ++block) {
    path_.switch_to(false);
    path_.switch_to(true);
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(line.asked());
      ASSERT_TRUE(line.push("x", now_));
    }
  }
  EXPECT_EQ(path_.tally().tally.responding, 3u);
}

TEST_F(EgressPath, TheRateIsThatOfAllConnectionsTogether) {
  noise({.rate_limit = 8000});  // 1,000 bytes a second
  const MonoTime start = now_;
  for (int i = 0; i < 11; ++i) ASSERT_TRUE(exchange(500));
  EXPECT_EQ(now_ - start, 10ms + 10 * 500ms);
  EXPECT_EQ(path_.tally().bytes, 5500u);
  EXPECT_EQ(path_.tally().tally.delayed, 0u) << "that is no delay";
}

TEST_F(EgressPath, OtherNoiseIsCountedAnew) {
  noise({.model = {.delay_mean = 20ms}});
  DelayLine line(path_);
  ASSERT_TRUE(line.asked());
  ASSERT_TRUE(line.push("on its way", now_));
  noise({.model = {.delay_mean = 40ms}});
  line.pop(line.due());
  EXPECT_EQ(path_.tally().tally.delayed, 0u) << "it had the former noise";
  EXPECT_EQ(exchange(), 50ms);
  EXPECT_EQ(path_.tally().tally.delayed, 1u);
}

}  // namespace
}  // namespace gnomon::egress
