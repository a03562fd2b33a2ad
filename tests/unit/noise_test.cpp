#include "agent/noise/noise.h"

#include <cmath>

#include "gtest/gtest.h"

namespace gnomon::noise {
namespace {

using std::chrono::milliseconds;

TEST(Noise, AnEmptyModelDoesNothing) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 100; ++i) {
    const Draw none = Injector({}).draw(random);
    EXPECT_EQ(none.response_delay, Nanos(0));
    EXPECT_FALSE(none.fail);
  }
}

TEST(Noise, DelaysHaveTheMeanAndDeviationAskedFor) {
  std::mt19937_64 random(2);
  const NoiseModel model{.delay_mean = milliseconds(50), .delay_stddev = milliseconds(10), .error_rate = {}};
  const Injector noise(model);
  constexpr int kDraws = 20000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double ms = static_cast<double>(noise.draw(random).response_delay.count()) / 1e6;
    sum += ms;
    squares += ms * ms;
  }
  const double mean = sum / kDraws, deviation = std::sqrt(squares / kDraws - mean * mean);
  EXPECT_NEAR(mean, 50, 5 * 10 / std::sqrt(kDraws));
  EXPECT_NEAR(deviation, 10, 0.3);
}

struct Shape {
  DelayShape shape;
  int mean_ms, stddev_ms;
};

// Of every shape at an ordinary deviation and near the largest that documents may ask for.
class DelayShapes : public ::testing::TestWithParam<Shape> {};

TEST_P(DelayShapes, DrawsHaveTheMeanAndDeviationAskedFor) {
  const auto [shape, mean_ms, stddev_ms] = GetParam();
  const NoiseModel model{
      .delay_mean = milliseconds(mean_ms), .delay_stddev = milliseconds(stddev_ms), .delay_shape = shape};
  const Injector noise(model);
  const DelayDistribution exact(shape, model.delay_mean, model.delay_stddev);
  std::mt19937_64 random(7);
  Tally tally;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) tally.add_delay(noise.draw(random).response_delay);
  const double mean = tally.delay_sum / kDraws / 1e6;
  const double deviation = std::sqrt(tally.delay_squares / kDraws / 1e12 - mean * mean);
  EXPECT_NEAR(mean, mean_ms, 5 * stddev_ms / std::sqrt(kDraws));
  // Of a heavy tail the sample's deviation says little: its distribution function is checked below.
  if (std::isfinite(exact.kurtosis())) {
    EXPECT_NEAR(deviation, stddev_ms, 5 * stddev_ms * std::sqrt((exact.kurtosis() - 1) / 4 / kDraws));
  }
}

TEST_P(DelayShapes, TheDistributionFunctionGivesTheSameMomentsAndInvertsItsQuantiles) {
  const auto [shape, mean_ms, stddev_ms] = GetParam();
  const DelayDistribution delay(shape, milliseconds(mean_ms), milliseconds(stddev_ms));
  // ∫ Q dq and ∫ Q² dq by the midpoint rule; of a heavy tail the rest beyond the last step is left out.
  double sum = 0, squares = 0;
  constexpr int kSteps = 100000;
  for (int i = 0; i < kSteps; ++i) {
    const double ms = delay.quantile((i + 0.5) / kSteps) / 1e6;
    sum += ms / kSteps;
    squares += ms * ms / kSteps;
  }
  EXPECT_NEAR(sum, mean_ms, 0.005 * mean_ms);
  EXPECT_NEAR(std::sqrt(squares - sum * sum), stddev_ms, (std::isfinite(delay.kurtosis()) ? 0.01 : 0.15) * stddev_ms);
  for (const double q : {0.01, 0.25, 0.5, 0.9, 0.999}) EXPECT_NEAR(delay.cdf(delay.quantile(q)), q, 1e-9);
  EXPECT_EQ(delay.cdf(-1), 0);
  EXPECT_GE(delay.quantile(0), 0);
}

INSTANTIATE_TEST_SUITE_P(All, DelayShapes,
                         ::testing::Values(Shape{DelayShape::kNormal, 50, 10}, Shape{DelayShape::kNormal, 50, 44},
                                           Shape{DelayShape::kPareto, 50, 10}, Shape{DelayShape::kPareto, 50, 40},
                                           Shape{DelayShape::kUniform, 50, 10}, Shape{DelayShape::kUniform, 50, 28}));

TEST(Noise, AParetoDelayHasALeastValueAndAHeavyTail) {
  const DelayDistribution delay(DelayShape::kPareto, milliseconds(50), milliseconds(10));
  // α = 1 + √(1 + 25) = 6.099, least = 50 ms · (α − 1) / α.
  EXPECT_NEAR(delay.quantile(0) / 1e6, 50 * 5.099 / 6.099, 0.01);
  EXPECT_NEAR(delay.quantile(0.999) / 1e6, 41.802 * std::pow(1000, 1 / 6.099), 0.05);
}

TEST(Noise, DelaysAreNeverNegativeAndTruncatedNotPiledUpAtZero) {
  std::mt19937_64 random(3);
  const NoiseModel model{.delay_mean = milliseconds(1), .delay_stddev = milliseconds(10), .error_rate = {}};
  const Injector noise(model);
  int zero = 0;
  for (int i = 0; i < 5000; ++i) {
    const Nanos delay = noise.draw(random).response_delay;
    EXPECT_GE(delay, Nanos(0));
    if (delay == Nanos(0)) ++zero;
  }
  EXPECT_LT(zero, 5);
}

TEST(Noise, WithoutDeviationTheDelayIsTheMean) {
  std::mt19937_64 random(4);
  EXPECT_EQ(Injector({.delay_mean = milliseconds(7)}).draw(random).response_delay, milliseconds(7));
}

TEST(Noise, FailsTheShareAskedFor) {
  std::mt19937_64 random(5);
  constexpr int kDraws = 50000;
  int failed = 0;
  const Injector noise({.error_rate = Fraction{0.01}});
  for (int i = 0; i < kDraws; ++i) failed += noise.draw(random).fail ? 1 : 0;
  EXPECT_NEAR(failed, 500, 5 * std::sqrt(500 * 0.99));
  EXPECT_TRUE(Injector({.error_rate = Fraction{1}}).draw(random).fail);
}

TEST(Noise, TheSameSeedGivesTheSameNoise) {
  std::mt19937_64 one(6), two(6);
  const NoiseModel model{.delay_mean = milliseconds(5), .delay_stddev = milliseconds(2), .error_rate = Fraction{0.5}};
  const Injector noise(model);
  for (int i = 0; i < 100; ++i) {
    const Draw a = noise.draw(one), b = noise.draw(two);
    EXPECT_EQ(a.response_delay, b.response_delay);
    EXPECT_EQ(a.fail, b.fail);
  }
}

}  // namespace
}  // namespace gnomon::noise
