// That a threshold of the surprise means a rate of false alarms, whatever noise a series is made of.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "coordinator/detect/detector.h"
#include "coordinator/detect/service.h"
#include "coordinator/detect/tail.h"

namespace gnomon::detect {
namespace {

constexpr int kLearning = 600, kObservations = 6000, kSeries = 8;
constexpr double kStep = 300;

// An observation by its number in the series.
using Noise = std::function<double(int)>;

double wave(int i) {
  return std::sin(2 * M_PI * i * kStep / 86400);
}

// Alarms seen at a surprise of 2, 3 and 3.5, each by how many there should be.
struct SeenOfNominal {
  double at_2 = 0, at_3 = 0, at_3_5 = 0;
};

SeenOfNominal seen_of_nominal(const Noise& noise) {
  constexpr double kEach = 1.0 / (kSeries * (kObservations - kLearning));
  SeenOfNominal seen;
  for (int series = 0; series < kSeries; ++series) {
    Detector detector;
    for (int i = 0; i < kObservations; ++i) {
      const double surprise = detector.push(i * kStep, noise(i)).surprise;
      if (i < kLearning) continue;
      if (surprise >= 2) seen.at_2 += kEach * 1e2;
      if (surprise >= 3) seen.at_3 += kEach * 1e3;
      if (surprise >= 3.5) seen.at_3_5 += kEach * std::pow(10, 3.5);
    }
  }
  return seen;
}

struct Kind {
  std::string name;
  Noise noise;
};

std::vector<Kind> kinds(std::mt19937& random) {
  const auto normal = [&random] { return std::normal_distribution<double>()(random); };
  const auto count = [&random](double mean) { return std::poisson_distribution<int>(mean)(random); };
  return {{"Gaussian", [=](int) { return normal(); }},
          {"heavy tails", [&random](int) { return std::student_t_distribution<double>(3)(random); }},
          {"skewed", [=](int) { return std::exp(normal()); }},
          {"seasonal", [=](int i) { return 100 + 10 * wave(i) + normal(); }},
          {"seasonal counts", [=](int i) { return count(20 + 15 * wave(i)); }},
          {"rare counts", [=](int) { return count(0.3); }},
          {"neighbours alike", [=, last = 0.0](int) mutable { return last = 0.9 * last + normal(); }}};
}

TEST(FalseAlarms, AreAsManyAsTheThresholdSays) {
  std::mt19937 random(5);
  for (const Kind& kind : kinds(random)) {
    const SeenOfNominal seen = seen_of_nominal(kind.noise);
    EXPECT_GT(seen.at_2, 0.6) << kind.name;
    EXPECT_LT(seen.at_2, 1.7) << kind.name;
    // Of what only few observations reached there must not be more.
    EXPECT_LT(seen.at_3, 2) << kind.name;
    EXPECT_LT(seen.at_3_5, 2) << kind.name;
  }
}

TEST(FalseAlarms, AreAsManyOfAServiceWhoseSeriesMoveTogether) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal;
  constexpr double kSurprise = 2;
  std::size_t alarms = 0, observations = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    ServiceDetector service(3);
    for (int i = 0; i < kObservations; ++i) {
      const double shared = normal(random);
      const std::vector<double> values{shared + normal(random), shared + normal(random), normal(random)};
      const double surprise = service.push(i * kStep, values).surprise;
      if (i < kLearning) continue;
      alarms += surprise >= kSurprise ? 1 : 0;
      ++observations;
    }
  }
  const double nominal = static_cast<double>(observations) * std::pow(10, -kSurprise);
  EXPECT_GT(static_cast<double>(alarms), 0.6 * nominal);
  EXPECT_LT(static_cast<double>(alarms), 1.7 * nominal);
}

TEST(FalseAlarms, HaveTheRateThatTheSurpriseStandsFor) {
  EXPECT_DOUBLE_EQ(Anomaly{.surprise = 3}.false_alarm_rate(), 1e-3);
  EXPECT_DOUBLE_EQ(Anomaly{}.false_alarm_rate(), 1);
}

// With the index estimated and put in, it was 3.5 in a thousand.
TEST(TailCalibrator, IsNotSurprisedByFewObservationsOfAParetoTail) {
  std::mt19937 random(8);
  std::uniform_real_distribution<double> uniform(1e-12, 1);
  std::size_t rare = 0, pushed = 0;
  for (int series = 0; series < 2000; ++series) {
    TailCalibrator tail(5000);
    for (int i = 0; i < 200; ++i) {
      const double surprise = tail.push(std::pow(uniform(random), -0.5));
      if (i < 50) continue;
      rare += surprise >= 3 ? 1 : 0;
      ++pushed;
    }
  }
  EXPECT_LT(static_cast<double>(rare) / static_cast<double>(pushed), 2e-3);
  EXPECT_GT(static_cast<double>(rare) / static_cast<double>(pushed), 0.5e-3);
}

TEST(SurpriseCalibrator, SetsRightWhatIsSaidToBeRarerThanItIs) {
  std::mt19937 random(9);
  std::exponential_distribution<double> exponential(std::log(10));
  SurpriseCalibrator calibrator;
  double at_three = 0;
  for (int i = 0; i < 20000; ++i) {
    const double right = exponential(random);
    const double result = calibrator.push(1.5 * right);
    if (right > 1.9 && right < 2.1 && i > 10000) at_three = result;
  }
  EXPECT_NEAR(at_three, 2, 0.25) << "was said to be 3";
}

TEST(SurpriseCalibrator, BelievesWhatItIsToldAtFirst) {
  for (const double surprise : {0.0, 1.0, 3.2, 4.0, 12.0})
    EXPECT_NEAR(SurpriseCalibrator().push(surprise), surprise, 1e-9);
}

}  // namespace
}  // namespace gnomon::detect
