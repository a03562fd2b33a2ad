#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "coordinator/detect/detector.h"
#include "coordinator/detect/service.h"

namespace gnomon::detect {
namespace {

constexpr double kStep = 300;
const double kNaN = std::numeric_limits<double>::quiet_NaN();

// Noise around a daily wave, seeded.
std::vector<double> daily(std::size_t size, unsigned seed, double noise = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, noise);
  std::vector<double> values;
  for (std::size_t i = 0; i < size; ++i)
    values.push_back(100 + 10 * std::sin(2 * M_PI * static_cast<double>(i) * kStep / 86400) + normal(random));
  return values;
}

std::vector<Anomaly> run(const std::vector<double>& values) {
  Detector detector;
  std::vector<Anomaly> out;
  for (std::size_t i = 0; i < values.size(); ++i)
    out.push_back(detector.push(static_cast<double>(i) * kStep, values[i]));
  return out;
}

double highest(const std::vector<Anomaly>& anomalies, std::size_t from, std::size_t to) {
  double most = 0;
  for (std::size_t i = from; i < to; ++i) most = std::max(most, anomalies[i].score);
  return most;
}

TEST(Detector, ScoresDoNotChangeWithTheUnit) {
  auto values = daily(3000, 1);
  values[2500] += 15;
  const auto plain = run(values);
  for (double& value : values) value = 1024 * value;
  const auto scaled = run(values);
  for (std::size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(plain[i].score, scaled[i].score, 1e-9) << i;
}

TEST(Detector, FindsTheSameAfterAShift) {
  auto values = daily(3000, 1);
  values[2500] += 15;
  for (double& value : values) value += 5000;
  const auto shifted = run(values);
  EXPECT_GT(highest(shifted, 2500, 2503), 0.5);
}

TEST(Detector, FindsASpike) {
  auto values = daily(4000, 2);
  values[3000] += 20;
  const auto scores = run(values);
  EXPECT_GT(scores[3000].score, highest(scores, 600, 3000));
  EXPECT_GT(scores[3000].surprise, 3);
}

TEST(Detector, FindsALevelShift) {
  auto values = daily(4000, 3);
  for (std::size_t i = 3000; i < values.size(); ++i) values[i] += 12;
  const auto scores = run(values);
  EXPECT_GT(highest(scores, 3000, 3030), highest(scores, 600, 3000));
}

TEST(Detector, FindsAChangeOfVariance) {
  auto values = daily(4000, 4);
  const auto loud = daily(4000, 5, 6);
  for (std::size_t i = 3000; i < values.size(); ++i) values[i] = loud[i];
  const auto scores = run(values);
  EXPECT_GT(highest(scores, 3000, 3050), highest(scores, 600, 3000));
}

TEST(Detector, ReportsAFlatLineOfANoisySeries) {
  auto values = daily(4000, 6);
  for (std::size_t i = 3000; i < 3300; ++i) values[i] = 110;
  const auto scores = run(values);
  double most = 0;
  for (std::size_t i = 3000; i < 3300; ++i) most = std::max(most, scores[i].surprise);
  EXPECT_GT(most, 2);
}

TEST(Detector, StopsAlarmingAtASpikeOfEveryDay) {
  auto values = daily(288 * 14, 7);
  for (std::size_t i = 288 * 4; i < values.size(); i += 288) values[i] += 25;
  const auto scores = run(values);
  const double first = scores[288 * 4].score;
  EXPECT_GT(first, 0.5);
  double late = 0;
  for (std::size_t day = 9; day < 14; ++day) late += scores[288 * day].surprise / 5;
  EXPECT_LT(late, scores[288 * 4].surprise);
}

TEST(Detector, RaisesAboutAsManyFalseAlarmsAsTheSurpriseSays) {
  std::size_t alarms = 0, total = 0;
  for (unsigned seed = 10; seed < 20; ++seed) {
    const auto scores = run(daily(4000, seed));
    for (std::size_t i = 1000; i < scores.size(); ++i, ++total) alarms += scores[i].surprise >= 2 ? 1 : 0;
  }
  const double rate = static_cast<double>(alarms) / static_cast<double>(total);
  EXPECT_GT(rate, 0.01 / 3);
  EXPECT_LT(rate, 0.01 * 3);
}

TEST(Detector, TreatsWhatIsNotFiniteAsMissing) {
  Detector with, without;
  const auto values = daily(2000, 8);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double time = static_cast<double>(i) * kStep;
    EXPECT_EQ(with.push(time, kNaN).score, 0);
    EXPECT_EQ(with.push(kNaN, values[i]).score, 0);
    EXPECT_EQ(with.push(time, std::numeric_limits<double>::infinity()).score, 0);
    ASSERT_EQ(with.push(time, values[i]).score, without.push(time, values[i]).score);
  }
  EXPECT_EQ(with.missing(), 6000);
  EXPECT_EQ(with.observed(), 2000);
}

TEST(Detector, StaysFiniteOnConstantsExtremesAndDisorder) {
  for (double value : {0.0, 7.0, -1e-300, 1e300}) {
    Detector detector;
    for (int i = 0; i < 2000; ++i) {
      const Anomaly anomaly = detector.push(i * kStep, value);
      ASSERT_TRUE(std::isfinite(anomaly.score) && std::isfinite(anomaly.surprise)) << value;
      if (i >= 100) {
        ASSERT_LT(anomaly.score, 0.5) << value << " at " << i;
      }
    }
  }
  Detector detector;
  std::mt19937 random(9);
  for (int i = 0; i < 5000; ++i) {
    const double sign = random() % 2 == 0 ? 1 : -1;
    const double value = sign * std::pow(10, static_cast<double>(random() % 600) - 300);
    const Anomaly anomaly = detector.push(static_cast<double>(random()) - 2e9, value);
    ASSERT_TRUE(anomaly.score >= 0 && anomaly.score <= 1 && std::isfinite(anomaly.surprise)) << i;
  }
}

TEST(Detector, RaisesNoAlarmAtTheFirstPoint) {
  const Anomaly anomaly = Detector().push(0, 42);
  EXPECT_LT(anomaly.score, 0.5);
  EXPECT_LT(anomaly.surprise, 1);
}

TEST(Detector, WorksOnWhatIsLeftOfAThinnedSeries) {
  auto values = daily(6000, 11);
  values[4501] += 20;
  std::mt19937 random(12);
  Detector detector;
  double spike = 0, other = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 4501 && random() % 3 == 0) continue;
    const double score = detector.push(static_cast<double>(i) * kStep, values[i]).score;
    if (i == 4501) spike = score;
    if (i < 4501 && i > 1000) other = std::max(other, score);
  }
  EXPECT_GT(spike, other);
}

TEST(Service, AddsUpWhatSeveralSeriesShow) {
  ServiceDetector service(3);
  std::vector<std::vector<double>> series{daily(4000, 21), daily(4000, 22), daily(4000, 23)};
  for (auto& values : series) values[3000] += 8;
  double at_fault = 0, other = 0;
  for (std::size_t i = 0; i < 4000; ++i) {
    const std::vector<double> now{series[0][i], i % 5 == 0 && i != 3000 ? kNaN : series[1][i], series[2][i]};
    const double surprise = service.push(static_cast<double>(i) * kStep, now).surprise;
    if (i == 3000) at_fault = surprise;
    if (i > 1000 && i < 3000) other = std::max(other, surprise);
  }
  EXPECT_GT(at_fault, 3);
  EXPECT_GE(at_fault, other);
}

TEST(Service, NamesTheSeriesThatIsOff) {
  ServiceDetector service(2);
  const auto quiet = daily(3000, 31);
  auto noisy = daily(3000, 32);
  noisy[2900] += 30;
  for (std::size_t i = 0; i <= 2900; ++i) {
    const std::vector<double> now{quiet[i], noisy[i]};
    const ServiceAnomaly anomaly = service.push(static_cast<double>(i) * kStep, now);
    if (i == 2900) {
      EXPECT_EQ(anomaly.series, 1U);
    }
  }
}

TEST(Service, HasNothingToSayWithoutSeries) {
  EXPECT_LT(ServiceDetector(0).push(0, {}).surprise, 1);
}

}  // namespace
}  // namespace gnomon::detect
