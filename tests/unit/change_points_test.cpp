#include "coordinator/detect/change_points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace gnomon::detect {
namespace {

constexpr std::int64_t kChanged = 3000, kEnd = 4000;
constexpr double kRate = 1e-3;

struct Report {
  std::int64_t at = 0;  // the first observation that is different, as said
  Change change;
};

std::vector<Report> reports(const std::function<double(std::int64_t)>& value, std::size_t season = 0,
                            std::int64_t end = kEnd) {
  ChangePoints points(kRate, season);
  std::vector<Report> out;
  for (std::int64_t i = 0; i < end; ++i)
    if (const auto change = points.push(value(i))) out.push_back({i - change->ago, *change});
  return out;
}

// The one that is reported of what began at kChanged, if there is just one.
std::optional<Report> only(const std::vector<Report>& reports) {
  std::optional<Report> out;
  for (const Report& report : reports) {
    if (report.at < kChanged - ChangePoints::kWindow) continue;
    if (out) return std::nullopt;
    out = report;
  }
  return out;
}

class Noise {
 public:
  explicit Noise(unsigned seed) : random_(seed) {}
  double operator()() { return normal_(random_); }

 private:
  std::mt19937 random_;
  std::normal_distribution<double> normal_;
};

TEST(ChangePoints, SayWhenALevelShifted) {
  Noise noise(1);
  const auto report = only(reports([&](std::int64_t i) { return noise() + (i >= kChanged ? 3 : 0); }));
  ASSERT_TRUE(report);
  EXPECT_NEAR(static_cast<double>(report->at), kChanged, 3);
  EXPECT_EQ(report->change.kind, Change::Kind::kLevel);
  EXPECT_NEAR(report->change.after - report->change.before, 3, 0.7);
  EXPECT_GE(report->change.surprise, 3);
}

TEST(ChangePoints, SayWhenASpreadGrewOrShrank) {
  for (const double factor : {4.0, 0.2}) {
    Noise noise(2);
    const auto report = only(reports([&](std::int64_t i) { return noise() * (i >= kChanged ? factor : 1); }));
    ASSERT_TRUE(report) << factor;
    EXPECT_NEAR(static_cast<double>(report->at), kChanged, 12) << factor;
    EXPECT_EQ(report->change.kind, Change::Kind::kSpread) << factor;
  }
}

TEST(ChangePoints, TakeAWaveForNoChangeAndAShiftOfItForOne) {
  Noise noise(3);
  const auto wave = [](std::int64_t i) { return 10 * std::sin(2 * M_PI * static_cast<double>(i) / 288); };
  const auto report = only(reports([&](std::int64_t i) { return wave(i) + noise() + (i >= kChanged ? 8 : 0); }, 288));
  ASSERT_TRUE(report);
  EXPECT_NEAR(static_cast<double>(report->at), kChanged, 5);
}

TEST(ChangePoints, AreNotMadeByASpike) {
  Noise noise(4);
  for (const Report& report : reports([&](std::int64_t i) { return noise() + (i == kChanged ? 1000 : 0); }))
    EXPECT_GT(std::abs(static_cast<double>(report.at - kChanged)), ChangePoints::kWindow);
}

TEST(ChangePoints, AreNoMoreOftenFalseThanAsked) {
  Noise noise(5);
  std::mt19937 random(6);
  std::student_t_distribution<double> heavy(3);
  std::poisson_distribution<int> few(0.3);
  double state = 0;
  const std::function<double(std::int64_t)> kinds[] = {[&](std::int64_t) { return noise(); },
                                                       [&](std::int64_t) { return heavy(random); },
                                                       [&](std::int64_t) { return static_cast<double>(few(random)); },
                                                       [&](std::int64_t) { return state = 0.9 * state + noise(); }};
  constexpr std::int64_t kLong = 40000;
  for (std::size_t kind = 0; kind < std::size(kinds); ++kind)
    EXPECT_LE(static_cast<double>(reports(kinds[kind], 0, kLong).size()), kRate * kLong) << kind;
}

TEST(ChangePoints, DoNotDependOnUnitOrOrigin) {
  std::vector<double> values;
  Noise noise(7);
  for (std::int64_t i = 0; i < kEnd; ++i) values.push_back(noise() + (i >= kChanged ? 4 : 0));
  const auto at = [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; };
  const auto plain = only(reports(at));
  const auto moved = only(reports([&](std::int64_t i) { return 1e6 * at(i) - 3e7; }));
  ASSERT_TRUE(plain && moved);
  EXPECT_EQ(moved->at, plain->at);
  EXPECT_NEAR(moved->change.surprise, plain->change.surprise, 1e-3);
}

TEST(ChangePoints, FindTheFirstStepOfAConstantAndNothingInAnotherOne) {
  EXPECT_TRUE(reports([](std::int64_t) { return 7.0; }).empty());
  const auto report = only(reports([](std::int64_t i) { return i >= kChanged ? 8.0 : 7.0; }));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->at, kChanged);
}

TEST(ChangePoints, TakeWhatIsNotFiniteAsMissing) {
  Noise noise(8), again(8);
  const auto value = [](Noise& from, std::int64_t i) { return from() + (i >= kChanged ? 3 : 0); };
  const auto plain = only(reports([&](std::int64_t i) { return value(noise, i); }));
  ChangePoints points(kRate);
  std::optional<Change> found;
  for (std::int64_t i = 0; i < kEnd; ++i) {
    for (const double odd : {std::nan(""), std::numeric_limits<double>::infinity()}) EXPECT_FALSE(points.push(odd));
    if (const auto change = points.push(value(again, i)); change && i >= kChanged) found = change;
  }
  ASSERT_TRUE(plain && found);
  EXPECT_EQ(found->surprise, plain->change.surprise);
}

TEST(ChangePoints, SurviveAnyNumbers) {
  std::mt19937 random(9);
  ChangePoints points(kRate, 24);
  for (int i = 0; i < 5000; ++i) {
    const double sign = random() % 2 == 0 ? 1 : -1;
    if (const auto change = points.push(sign * std::pow(10, static_cast<double>(random() % 616) - 308))) {
      EXPECT_FALSE(std::isnan(change->surprise));
    }
  }
}

}  // namespace
}  // namespace gnomon::detect
