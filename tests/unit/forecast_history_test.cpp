// Forecasts of the histories that services have: growth, weeks, few requests, irregular reports.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <random>
#include <vector>

#include "coordinator/forecast/forecaster.h"

namespace gnomon::forecast {
namespace {

constexpr double kHour = 3600, kFiveMinutes = 300;

double wave(double time, double period) {
  return std::sin(2 * std::numbers::pi * time / period);
}

// Values every `step` seconds, nothing told but that step.
Forecaster fed(int count, double step, const std::function<double(int)>& value) {
  Forecaster forecaster({.step = Seconds(step)});
  for (int t = 0; t < count; ++t) forecaster.observe(Seconds(step * t), value(t));
  return forecaster;
}

// Mean absolute error of the steps after `count`, by the mean of what came.
double relative_error(const Forecast& forecast, int count, const std::function<double(int)>& value) {
  double error = 0, sum = 0;
  for (std::size_t i = 0; i < forecast.steps.size(); ++i) {
    const double actual = value(count + static_cast<int>(i));
    error += std::abs(forecast.steps[i].yhat - actual);
    sum += std::abs(actual);
  }
  return error / sum;
}

TEST(ForecastOf, GrowthGrowsOn) {
  const auto value = [](int t) { return 50 * std::exp(t / 500.0) * (1 + 0.4 * wave(t, 24)); };
  const Forecast forecast = fed(800, kHour, value).forecast(48);
  EXPECT_LT(relative_error(forecast, 800, value), 0.05);
}

TEST(ForecastOf, AWeekIsFoundByItself) {
  const auto value = [](int t) {
    const bool weekend = t / 24 % 7 >= 5;
    return (weekend ? 40 : 100) * (1 + 0.3 * wave(t, 24));
  };
  const int friday_night = 24 * (7 * 8 + 5);
  const Forecast forecast = fed(friday_night, kHour, value).forecast(48);
  EXPECT_LT(relative_error(forecast, friday_night, value), 0.15) << "a weekend, after a Friday";
  const Forecast week = fed(friday_night + 48, kHour, value).forecast(48);
  EXPECT_LT(relative_error(week, friday_night + 48, value), 0.15) << "a Monday, after a weekend";
}

TEST(ForecastOf, AJobThatRunsEveryFortyMinutesIsFoundByItself) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 2);
  const auto usual = [](int t) { return 100.0 + (t % 8 == 3 ? 80 : 0); };
  const Forecast forecast = fed(1200, kFiveMinutes, [&](int t) { return usual(t) + noise(random); }).forecast(16);
  EXPECT_LT(relative_error(forecast, 1200, usual), 0.05);
}

// A burst at the same time each day, from the tenth day on, is no outage to be forgotten.
TEST(ForecastOf, AJobThatIsNewIsLearntAfterAFewDays) {
  std::mt19937 random(5);
  std::normal_distribution<double> noise(0, 1);
  const auto usual = [](int t) { return 100 + 10 * wave(t, 24) + (t % 24 == 3 && t > 240 ? 150 : 0); };
  const Forecast forecast = fed(480, kHour, [&](int t) { return usual(t) + noise(random); }).forecast(24);
  EXPECT_NEAR(forecast.steps[3].yhat, usual(483), 50);
  EXPECT_NEAR(forecast.steps[5].yhat, usual(485), 10);
}

TEST(ForecastOf, TwoDaysAheadComesInOneCall) {
  const auto value = [](int t) { return 200 + 80 * wave(t, 288); };
  const Forecast forecast = fed(2000, kFiveMinutes, value).forecast(576);
  ASSERT_EQ(forecast.steps.size(), 576U);
  EXPECT_EQ(forecast.step, Seconds(kFiveMinutes));
  EXPECT_LT(relative_error(forecast, 2000, value), 0.03);
  for (const Step& step : forecast.steps) ASSERT_TRUE(step.lo <= step.yhat && step.yhat <= step.hi);
}

TEST(ForecastOf, AServiceThatIsUsedAfterAWeekOfSilenceIsThatOfItsUse) {
  const auto value = [](int t) { return t < 168 ? 0 : 200 + 80 * wave(t, 24); };
  EXPECT_LT(relative_error(fed(504, kHour, value).forecast(48), 504, value), 0.03);
}

TEST(ForecastOf, FewRequestsAreCoveredAndNeverNegative) {
  std::mt19937 random(2);
  std::poisson_distribution<int> few(0.4);
  Forecaster forecaster({.step = Seconds(kHour)});
  int inside = 0, all = 0;
  double sum = 0;
  Step next;
  for (int t = 0; t < 1500; ++t) {
    const double value = few(random);
    if (t > 500) {
      ++all;
      inside += value >= next.lo - 1e-9 && value <= next.hi + 1e-9 ? 1 : 0;
      sum += next.yhat;
      ASSERT_GE(next.lo, 0);
    }
    forecaster.observe(Seconds(kHour * t), value);
    if (t >= 500) next = forecaster.forecast(1).steps.front();
  }
  EXPECT_GE(static_cast<double>(inside) / all, 0.92);
  EXPECT_LT(sum / all, 0.8);
}

// Reports at odd times, several a step or none: as good as one a step.
TEST(ForecastOf, ReportsAtOddTimesIsThatOfTheirMeans) {
  std::mt19937 random(3);
  std::exponential_distribution<double> pause(1 / (0.5 * kHour));
  std::normal_distribution<double> noise(0, 2);
  const auto at = [](double time) { return 100 + 30 * wave(time, 24 * kHour); };
  Forecaster forecaster({.step = Seconds(kHour)});
  for (double time = 0; time < 600 * kHour; time += pause(random))
    forecaster.observe(Seconds(time), at(time) + noise(random));
  const Forecast forecast = forecaster.forecast(48);
  ASSERT_EQ(forecast.steps.size(), 48U);
  double error = 0;
  for (std::size_t i = 0; i < 48; ++i)
    error += std::abs(forecast.steps[i].yhat - at(forecast.first.count() + (static_cast<double>(i) + 0.5) * kHour));
  EXPECT_LT(error / 48, 4);
}

// Days without reports are filled with what was expected, which must lead nowhere.
TEST(ForecastOf, ALongGapStaysWithinWhatWasSeen) {
  for (const int growth : {0, 1, 3}) {
    const auto value = [&](int t) { return 100 + growth * t + 30 * wave(t, 24); };
    Forecaster forecaster({.step = Seconds(kHour)});
    for (int t = 0; t < 200; ++t) forecaster.observe(Seconds(kHour * t), value(t));
    forecaster.observe(Seconds(kHour * 1500), value(199));
    for (const Step& step : forecaster.forecast(48).steps) {
      EXPECT_GT(step.yhat, 0);
      EXPECT_LT(step.yhat, 2 * (130 + 200 * growth));
    }
  }
}

TEST(ForecastOf, AColdStartIsWiderThanWhatComesOfIt) {
  std::mt19937 random(4);
  std::normal_distribution<double> noise(0, 3);
  const auto value = [&](int t) { return 100 + 30 * wave(t, 24) + noise(random); };
  double last = -1;
  for (const int count : {0, 3, 12, 36, 72}) {
    const Forecast forecast = fed(count, kHour, value).forecast(24);
    EXPECT_GE(forecast.confidence, last) << count;
    last = forecast.confidence;
    if (count > 0) {
      int inside = 0;
      for (std::size_t i = 0; i < 24; ++i) {
        const double actual = 100 + 30 * wave(count + static_cast<int>(i), 24);
        inside += actual >= forecast.steps[i].lo && actual <= forecast.steps[i].hi ? 1 : 0;
      }
      EXPECT_GE(inside, 20) << "after " << count << " hours";
    }
  }
  EXPECT_EQ(last, 1);
}

}  // namespace
}  // namespace gnomon::forecast
