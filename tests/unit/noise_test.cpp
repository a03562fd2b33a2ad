#include "agent/noise/noise.h"

#include <cmath>

#include "gtest/gtest.h"

namespace gnomon::noise {
namespace {

using std::chrono::milliseconds;

TEST(Noise, AnEmptyModelDoesNothing) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100; ++i) {
    const Draw none = draw({}, random);
    EXPECT_EQ(none.response_delay, Nanos(0));
    EXPECT_FALSE(none.fail);
  }
}

TEST(Noise, DelaysHaveTheMeanAndDeviationAskedFor) {
  std::mt19937_64 random(2);
  const NoiseModel model{.delay_mean = milliseconds(50), .delay_stddev = milliseconds(10), .error_rate = {}};
  constexpr int kDraws = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double ms = static_cast<double>(draw(model, random).response_delay.count()) / 1e6;
    sum += ms;
    squares += ms * ms;
  }
  const double mean = sum / kDraws, deviation = std::sqrt(squares / kDraws - mean * mean);
  EXPECT_NEAR(mean, 50, 5 * 10 / std::sqrt(kDraws));
  EXPECT_NEAR(deviation, 10, 0.3);
}

TEST(Noise, DelaysAreNeverNegativeAndTruncatedNotPiledUpAtZero) {
  std::mt19937_64 random(3);
  const NoiseModel model{.delay_mean = milliseconds(1), .delay_stddev = milliseconds(10), .error_rate = {}};
  int zero = 0;
  for (int i = 0; i < 5000; ++i) {
    const Nanos delay = draw(model, random).response_delay;
    EXPECT_GE(delay, Nanos(0));
    if (delay == Nanos(0)) ++zero;
  }
  EXPECT_LT(zero, 5);
}

TEST(Noise, WithoutDeviationTheDelayIsTheMean) {
  std::mt19937_64 random(4);
  EXPECT_EQ(draw({.delay_mean = milliseconds(7)}, random).response_delay, milliseconds(7));
}

TEST(Noise, FailsTheShareAskedFor) {
  std::mt19937_64 random(5);
  constexpr int kDraws = 50000;
  int failed = 0;
  for (int i = 0; i < kDraws; ++i) failed += draw({.error_rate = Fraction{0.01}}, random).fail ? 1 : 0;
  EXPECT_NEAR(failed, 500, 5 * std::sqrt(500 * 0.99));
  EXPECT_TRUE(draw({.error_rate = Fraction{1}}, random).fail);
}

TEST(Noise, TheSameSeedGivesTheSameNoise) {
  std::mt19937_64 one(6), two(6);
  const NoiseModel model{.delay_mean = milliseconds(5), .delay_stddev = milliseconds(2), .error_rate = Fraction{0.5}};
  for (int i = 0; i < 100; ++i) {
    const Draw a = draw(model, one), b = draw(model, two);
    EXPECT_EQ(a.response_delay, b.response_delay);
    EXPECT_EQ(a.fail, b.fail);
  }
}

}  // namespace
}  // namespace gnomon::noise
