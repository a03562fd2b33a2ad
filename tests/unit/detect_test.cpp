#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "coordinator/detect/course.h"
#include "coordinator/detect/detector.h"
#include "coordinator/detect/resonance.h"
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

TEST(Detector, ScoresDoNotChangeWhenAllValuesAreShifted) {
  auto values = daily(3000, 1);
  for (double& value : values) value = std::round(value * 1024) / 1024;  // so that a shift is exact
  values[2500] += 15;
  const auto plain = run(values);
  for (double& value : values) value += 4096;
  const auto shifted = run(values);
  for (std::size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(plain[i].score, shifted[i].score, 2e-3) << i;
}

TEST(Detector, FindsAsMuchInTheMirrorImage) {
  auto values = daily(3000, 13);
  values[2500] += 15;
  const auto plain = run(values);
  for (double& value : values) value = -value;
  const auto mirrored = run(values);
  EXPECT_NEAR(plain[2500].score, mirrored[2500].score, 0.02);
}

TEST(Detector, DoesNotLookAhead) {
  const auto values = daily(3000, 14);
  auto other = values;
  for (std::size_t i = 2000; i < other.size(); ++i) other[i] = 1000 * other[i] - 7;
  const auto a = run(values), b = run(other);
  for (std::size_t i = 0; i < 2000; ++i) ASSERT_EQ(a[i].score, b[i].score) << i;
  EXPECT_NE(a[2000].score, b[2000].score);
}

TEST(Detector, DependsOnNothingButTheSeries) {
  const auto values = daily(2000, 15);
  const auto a = run(values), b = run(values);
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(a[i].score, b[i].score) << i;
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

TEST(Detector, FindsADayUnlikeTheOthers) {
  auto values = daily(288 * 14, 16);
  for (std::size_t i = 288 * 12 + 72; i < 288 * 12 + 216; ++i) values[i] = 100 + 0.1 * (values[i] - 100);
  const auto scores = run(values);
  EXPECT_GT(highest(scores, 288 * 12 + 72, 288 * 12 + 216), highest(scores, 288 * 5, 288 * 12));
}

TEST(Detector, FindsTheFirstStepOfASeriesThatNeverMoved) {
  std::vector<double> values(2000, 7);
  values[1500] = 8;
  EXPECT_GT(run(values)[1500].score, 0.5);
}

TEST(Detector, RaisesOneAlarmForOneAnomaly) {
  auto values = daily(4000, 17);
  for (std::size_t i = 3000; i < 3100; ++i) values[i] += 40;
  const auto scores = run(values);
  std::size_t alarms = 0;
  for (std::size_t i = 3000; i < 3150; ++i) alarms += scores[i].score >= 0.5 ? 1 : 0;
  EXPECT_GE(alarms, 1U);
  EXPECT_LE(alarms, 2U);
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

TEST(Alarms, CountsOnlyWhatIsClearlyStrongerAfterAnAlarm) {
  Alarms alarms;
  for (int i = 0; i < 1000; ++i) alarms.push(1);
  EXPECT_GE(alarms.push(20), 20);
  EXPECT_LT(alarms.push(20), 5);
  EXPECT_LT(alarms.push(15), 1);
  EXPECT_GE(alarms.push(30), 30);
  for (int i = 0; i < 100; ++i) alarms.push(1);
  EXPECT_GE(alarms.push(20), 20) << "long after";
}

TEST(Categories, MeasuresTheDistanceFromTheNearestBox) {
  Categories categories(1, Categories::Distance::kSum);
  const Categories::Vector one{1, 1, 1, 1};
  EXPECT_EQ(categories.push({0, 0, 0, 0}, one), 0);
  EXPECT_DOUBLE_EQ(categories.push({0.5, 0.25, 0, 0}, one), 0.75);  // the box grows
  EXPECT_DOUBLE_EQ(categories.push({0.25, 0.125, 0, 0}, one), 0);   // and holds what lies between
  EXPECT_DOUBLE_EQ(categories.push({4, 0, 0, 0}, one), 3.5);        // too far: a box of its own
  EXPECT_DOUBLE_EQ(categories.push({2, 0, 0, 0}, one), 1.5);        // between the two
  EXPECT_DOUBLE_EQ(categories.push({4, 0, 0, 2}, {2, 2, 2, 4}), 0.5);
}

TEST(Categories, ForgetsTheBoxThatWasLongestWithoutResonance) {
  Categories categories(0.5, Categories::Distance::kLargest);
  const Categories::Vector one{1, 1, 1, 1};
  for (std::size_t i = 0; i <= Categories::kMost; ++i) categories.push({10.0 * static_cast<double>(i), 0, 0, 0}, one);
  EXPECT_DOUBLE_EQ(categories.push({10, 0, 0, 0}, one), 0);
  EXPECT_DOUBLE_EQ(categories.push({0, 0, 0, 0}, one), 10);
}

TEST(PastCourses, FindsTheEarlierCourseThatIsMostAlike) {
  PastCourses courses;
  for (int i = 0; i < 3 * 8192; ++i) courses.push(std::sin(2 * M_PI * i / 100.0) + 1e-7 * i);
  EXPECT_EQ(courses.nearest_lag(), 100U);
  EXPECT_LT(courses.shape_distance(), 1e-4);
  EXPECT_EQ(courses.before(0), std::sin(2 * M_PI * (3 * 8192 - 1) / 100.0) + 1e-7 * (3 * 8192 - 1));
  EXPECT_NEAR(courses.before(PastCourses::kLags), std::sin(2 * M_PI * (3 * 8192 - 1 - 4096) / 100.0), 0.01);
  for (int i = 0; i < 50; ++i) courses.push(i % 2);
  EXPECT_GT(courses.shape_distance(), 0.1);
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
