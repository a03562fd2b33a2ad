#include "coordinator/forecast/forecaster.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <random>

#include "coordinator/forecast/seasonality.h"

namespace gnomon::forecast {
namespace {

constexpr int kSeason = 24;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double daily(int t) {
  return 100 + 30 * std::sin(2 * std::numbers::pi * t / kSeason);
}

Forecaster fed(int count, const std::function<double(int)>& value) {
  Forecaster forecaster({.step = Seconds(3600), .season = kSeason});
  for (int t = 0; t < count; ++t) forecaster.observe(Seconds(3600.0 * t), value(t));
  return forecaster;
}

double noisy(int t) {
  return daily(t) + 3 * std::sin(t * 12.9898) * std::cos(t * 4.1414);
}

TEST(Forecast, SaysNothingBeforeTheFirstValue) {
  const Forecast forecast = fed(3, [](int) { return kNan; }).forecast(3);
  EXPECT_TRUE(forecast.steps.empty());
  EXPECT_EQ(forecast.confidence, 0);
}

TEST(Forecast, RepeatsASinglePointWithoutConfidence) {
  const Forecast forecast = fed(1, [](int) { return 7.0; }).forecast(48);
  ASSERT_EQ(forecast.steps.size(), 48u);
  EXPECT_EQ(forecast.steps[47].yhat, 7);
  EXPECT_EQ(forecast.confidence, 0);
  EXPECT_EQ(forecast.first, Seconds(3600));
}

TEST(Forecast, ContinuesAConstantSeries) {
  for (const Step& step : fed(300, [](int) { return 5.0; }).forecast(48).steps) {
    EXPECT_NEAR(step.yhat, 5, 1e-3);
    EXPECT_TRUE(std::isfinite(step.lo) && std::isfinite(step.hi));
  }
}

TEST(Forecast, ContinuesASeason) {
  const Forecast forecast = fed(480, noisy).forecast(48);
  for (int h = 1; h <= 48; ++h)
    EXPECT_NEAR(forecast.steps[static_cast<std::size_t>(h - 1)].yhat, daily(479 + h), 5) << h;
  EXPECT_EQ(forecast.confidence, 1);
}

TEST(Forecast, ScalesWithTheSeries) {
  const auto plain = fed(400, noisy).forecast(48).steps;
  const auto scaled = fed(400, [](int t) { return 1000 * noisy(t); }).forecast(48).steps;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_NEAR(scaled[i].yhat / 1000, plain[i].yhat, 0.2);
    EXPECT_NEAR(scaled[i].hi / 1000, plain[i].hi, 1);
  }
}

TEST(Forecast, FillsMissingValuesIn) {
  const Forecast forecast =
      fed(480, [](int t) { return t % 7 == 3 || (t > 200 && t < 220) ? kNan : noisy(t); }).forecast(24);
  for (int h = 1; h <= 24; ++h)
    EXPECT_NEAR(forecast.steps[static_cast<std::size_t>(h - 1)].yhat, daily(479 + h), 10) << h;
}

TEST(Forecast, DoesNotRepeatAnOutage) {
  const Forecast forecast = fed(480, [](int t) { return t >= 450 && t < 456 ? 0.0 : noisy(t); }).forecast(24);
  for (int h = 1; h <= 24; ++h)
    EXPECT_NEAR(forecast.steps[static_cast<std::size_t>(h - 1)].yhat, daily(479 + h), 15) << h;
}

TEST(Forecast, FollowsALevelShift) {
  const Forecast forecast = fed(600, [](int t) { return noisy(t) + (t >= 480 ? 200 : 0); }).forecast(24);
  for (int h = 1; h <= 24; ++h)
    EXPECT_NEAR(forecast.steps[static_cast<std::size_t>(h - 1)].yhat, daily(599 + h) + 200, 30) << h;
}

TEST(Forecast, CoversWhatItPromises) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  Forecaster forecaster({.step = Seconds(3600), .longest = Seconds(3600 * 6), .season = kSeason});
  double state = 0;
  int inside = 0, all = 0;
  Step next;
  for (int t = 0; t < 3000; ++t) {
    state = 0.8 * state + normal(random);
    const double value = 50 + state;
    if (t > 1000) {
      inside += value >= next.lo && value <= next.hi;
      ++all;
    }
    forecaster.observe(Seconds(3600.0 * t), value);
    if (t >= 1000) next = forecaster.forecast(1).steps[0];
  }
  EXPECT_NEAR(static_cast<double>(inside) / all, 0.95, 0.02);
}

TEST(Forecast, StaysWithinItsMemory) {
  Forecaster forecaster({.step = Seconds(300)});
  for (int t = 0; t < 5000; ++t) forecaster.observe(Seconds(300.0 * t), daily(t / 12));
  EXPECT_LE(forecaster.bytes(), 256u * 1024);
}

TEST(Seasonality, FindsASeasonOtherThanTheUsual) {
  std::vector<double> values;
  for (int t = 0; t < 600; ++t) values.push_back(std::sin(2 * std::numbers::pi * t / 40));
  EXPECT_EQ(find_season(values, 24), 40);
}

}  // namespace
}  // namespace gnomon::forecast
