#include "coordinator/forecast/decomposition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <random>

namespace gnomon::forecast {
namespace {

constexpr int kDay = 24, kWeek = 168;

double wave(int t, int period) {
  return std::sin(2 * std::numbers::pi * t / period);
}

Decomposition fed(int count, Seasons seasons, const std::function<double(int)>& value) {
  Series series(seasons, Transform{}, 4096);
  Decomposition decomposition(seasons);
  for (int t = 0; t < count; ++t) {
    series.push(value(t), true);
    decomposition.observe(series, true);
  }
  return decomposition;
}

void expect_continued(const Decomposition& decomposition, int count, const std::function<double(int)>& value,
                      double tolerance) {
  for (int h = 1; h <= 2 * kDay; ++h)
    EXPECT_NEAR(decomposition.forecast(h), value(count - 1 + h), tolerance) << "step " << h;
}

TEST(Decomposition, SaysNothingOfNothing) {
  EXPECT_EQ(Decomposition({kDay, 0}).forecast(1), 0);
}

TEST(Decomposition, ContinuesASeason) {
  const auto value = [](int t) { return 100 + 20 * wave(t, kDay); };
  expect_continued(fed(400, {kDay, 0}, value), 400, value, 0.5);
}

TEST(Decomposition, TellsADayFromAWeek) {
  const auto value = [](int t) { return 100 + 20 * wave(t, kDay) + (t / kDay % 7 >= 5 ? -15 : 0); };
  expect_continued(fed(10 * kWeek, {kDay, kWeek}, value), 10 * kWeek, value, 4);
}

TEST(Decomposition, FollowsATrendWithoutTakingItForASeason) {
  const auto value = [](int t) { return 0.2 * t + 20 * wave(t, kDay); };
  const Decomposition decomposition = fed(600, {kDay, 0}, value);
  EXPECT_NEAR(decomposition.forecast(1), value(600), 1);
  EXPECT_NEAR(decomposition.forecast(kDay) - decomposition.forecast(1), value(599 + kDay) - value(600), 3);
}

// A service that is used from its sixth day on.
TEST(Decomposition, LearnsWhatFollowsALongSilence) {
  const auto value = [](int t) { return t < 5 * kDay ? 0 : 100 + 20 * wave(t, kDay); };
  expect_continued(fed(6 * kWeek, {kDay, 0}, value), 6 * kWeek, value, 4);
}

// Six hours without requests teach the season no more than three usual deviations do.
TEST(Decomposition, KeepsTheSeasonThroughAnOutage) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 2);
  const auto usual = [](int t) { return 100 + 20 * wave(t, kDay); };
  const auto seen = [&](int t) { return t >= 400 && t < 406 ? 0 : usual(t) + noise(random); };
  expect_continued(fed(440, {kDay, 0}, seen), 440, usual, 8);
}

TEST(Decomposition, FindsHowFastALevelMoves) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  double walk = 0, last = 0, sum = 0;
  const Decomposition walking = fed(800, {kDay, 0}, [&](int) { return last = walk += normal(random); });
  const Decomposition resting = fed(800, {kDay, 0}, [&](int) {
    last = normal(random);
    sum += last;
    return last;
  });
  EXPECT_NEAR(walking.forecast(1), walk, 2) << "the last value is the best there is";
  EXPECT_NEAR(resting.forecast(kDay), sum / 800, 0.7) << "the mean is";
}

TEST(Decomposition, MovesAndScalesWithTheSeries) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> noise;
  for (int t = 0; t < 500; ++t) noise.push_back(normal(random));
  const auto value = [&](int t) { return 20 * wave(t, kDay) + noise[static_cast<std::size_t>(t)]; };
  const Decomposition plain = fed(500, {kDay, 0}, value);
  for (const double factor : {-1.0, 1e-3, 1e5}) {
    for (const double shift : {0.0, 1000.0}) {
      const Decomposition moved = fed(500, {kDay, 0}, [&](int t) { return factor * (value(t) + shift); });
      for (int h = 1; h <= kDay; ++h)
        EXPECT_NEAR(moved.forecast(h) / factor - shift, plain.forecast(h), 0.05) << factor << " " << shift;
    }
  }
}

}  // namespace
}  // namespace gnomon::forecast
