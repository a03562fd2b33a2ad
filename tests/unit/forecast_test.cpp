#include "coordinator/forecast/forecaster.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <iterator>
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

// A series of 400 hours that is `factor` times and `shift` more than another has such a forecast.
void expect_moved(double factor, double shift, const std::function<double(int)>& value, double tolerance) {
  const auto plain = fed(400, value).forecast(48).steps;
  const auto moved = fed(400, [&](int t) { return factor * value(t) + shift; }).forecast(48).steps;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_NEAR((moved[i].yhat - shift) / factor, plain[i].yhat, tolerance) << i;
    EXPECT_NEAR((moved[i].lo - shift) / factor, plain[i].lo, 3 * tolerance) << i;
    EXPECT_NEAR((moved[i].hi - shift) / factor, plain[i].hi, 3 * tolerance) << i;
  }
}

TEST(Forecast, ScalesWithTheSeries) {
  for (const double factor : {1e-200, 1e-25, 1e-4, 0.37, 1e3, 1e7, 1e25, 1e200}) expect_moved(factor, 0, noisy, 0.2);
}

// Below zero no logarithm is taken, so that nothing has a natural zero.
TEST(Forecast, MovesWithASeriesOfBothSigns) {
  const auto around_zero = [](int t) { return noisy(t) - 100; };
  for (const double shift : {-5000.0, -200.0}) expect_moved(1, shift, around_zero, 0.3);
  expect_moved(40, -900, around_zero, 0.3);
}

TEST(Forecast, SaysTheSameEachTime) {
  const auto once = fed(600, noisy).forecast(48).steps, again = fed(600, noisy).forecast(48).steps;
  for (std::size_t i = 0; i < once.size(); ++i) {
    EXPECT_EQ(once[i].yhat, again[i].yhat);
    EXPECT_EQ(once[i].lo, again[i].lo);
    EXPECT_EQ(once[i].hi, again[i].hi);
  }
}

TEST(Forecast, IsFiniteAndInOrderWhateverComes) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  const std::function<double(int)> series[] = {
      [](int) { return 0.0; },
      [](int t) { return t % 50 == 0 ? 1.0 : 0.0; },
      [&](int) { return std::floor(-1.2 * std::log(uniform(random))); },
      [&](int) { return std::pow(uniform(random), -2); },
      [&](int t) { return uniform(random) < 0.4 ? kNan : noisy(t); },
      [&](int t) { return noisy(t) * (t % 97 == 0 ? 1e9 : 1); },
      [](int t) { return -1e12 + t; },
      [](int t) { return std::exp(0.05 * t); },
      [](int t) { return t == 100 ? std::numeric_limits<double>::infinity() : 1e-9 * t; },
  };
  for (std::size_t kind = 0; kind < std::size(series); ++kind) {
    for (const int count : {2, 23, 24, 26, 80, 500}) {
      for (const Step& step : fed(count, series[kind]).forecast(50).steps) {
        ASSERT_TRUE(std::isfinite(step.yhat) && std::isfinite(step.lo) && std::isfinite(step.hi))
            << kind << " " << count;
        ASSERT_LE(step.lo, step.hi) << kind << " " << count;
      }
    }
  }
}

TEST(Forecast, IsNeverNegativeWhereTheSeriesNeverWas) {
  std::mt19937 random(4);
  std::poisson_distribution<int> rare(0.3);
  for (const Step& step : fed(700, [&](int) { return rare(random); }).forecast(48).steps) {
    EXPECT_GE(step.lo, 0);
    EXPECT_LT(step.hi, 6);
  }
}

TEST(Forecast, SaysSomethingWithinHoursAndKnowsTheDayAfterTwo) {
  const Forecast hours = fed(6, noisy).forecast(24);
  ASSERT_EQ(hours.steps.size(), 24u);
  EXPECT_EQ(hours.confidence, 0);
  const Forecast early = fed(30, noisy).forecast(24), later = fed(72, noisy).forecast(24);
  EXPECT_LT(early.confidence, later.confidence);
  EXPECT_EQ(later.confidence, 1);
  double width = 0, later_width = 0;
  for (std::size_t i = 0; i < 24; ++i) {
    EXPECT_NEAR(later.steps[i].yhat, daily(72 + static_cast<int>(i)), 12) << i;
    width += early.steps[i].hi - early.steps[i].lo;
    later_width += later.steps[i].hi - later.steps[i].lo;
  }
  EXPECT_LT(later_width, width);
}

TEST(Forecast, FillsMissingValuesIn) {
  const Forecast forecast =
      fed(480, [](int t) { return t % 7 == 3 || (t > 200 && t < 220) ? kNan : noisy(t); }).forecast(24);
  ASSERT_EQ(forecast.first, Seconds(3600 * 479)) << "the last step has no value yet";
  for (int h = 0; h < 24; ++h) EXPECT_NEAR(forecast.steps[static_cast<std::size_t>(h)].yhat, daily(479 + h), 5) << h;
}

TEST(Forecast, DoesNotRepeatAnOutage) {
  const Forecast forecast = fed(480, [](int t) { return t >= 450 && t < 456 ? 0.0 : noisy(t); }).forecast(24);
  for (int h = 1; h <= 24; ++h)
    EXPECT_NEAR(forecast.steps[static_cast<std::size_t>(h - 1)].yhat, daily(479 + h), 15) << h;
}

// The days after an outage are as they would be without it.
TEST(Forecast, KeepsTheSeasonThroughAnOutageInThePast) {
  const auto steps = fed(600, [](int t) { return t >= 500 && t < 508 ? 0.0 : noisy(t); }).forecast(24).steps;
  for (int h = 1; h <= 24; ++h) EXPECT_NEAR(steps[static_cast<std::size_t>(h - 1)].yhat, daily(599 + h), 8) << h;
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
  for (int t = 0; t < 5000; ++t) forecaster.observe(Seconds(300.0 * t), daily(t / 12) * (t % 97 < 4 ? 9 : 1));
  EXPECT_LE(forecaster.bytes(), 256u * 1024);
}

TEST(Seasonality, FindsASeasonOtherThanTheUsual) {
  std::vector<double> values;
  for (int t = 0; t < 600; ++t) values.push_back(std::sin(2 * std::numbers::pi * t / 40));
  EXPECT_EQ(find_season(values, 24), 40);
}

}  // namespace
}  // namespace gnomon::forecast
