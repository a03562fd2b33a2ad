// The members of a forecast that see a season as waves: harmonic regression, and the structural models' bank of
// filters.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <random>

#include "coordinator/forecast/harmonic_regression.h"
#include "coordinator/forecast/structural.h"

namespace gnomon::forecast {
namespace {

constexpr int kDay = 24, kWeek = 168;
constexpr Seasons kSeasons{kDay, kWeek};

double wave(int t, int period) {
  return std::sin(2 * std::numbers::pi * t / period + 1);
}

double usual(int t) {
  return 50 + 0.05 * t + 20 * wave(t, kDay) + 5 * wave(2 * t, kDay) + 4 * wave(t, kWeek);
}

// NaN is missing.
template <class Member>
Member fed(int count, const std::function<double(int)>& value) {
  Member member(kSeasons);
  for (int t = 0; t < count; ++t) member.observe(value(t), !std::isnan(value(t)));
  return member;
}

template <class Member>
class WaveMembers : public testing::Test {};
using Both = testing::Types<HarmonicRegression, Structural>;
TYPED_TEST_SUITE(WaveMembers, Both);

TYPED_TEST(WaveMembers, SayNothingOfNothing) {
  EXPECT_EQ(TypeParam(kSeasons).forecast(1), 0);
}

TYPED_TEST(WaveMembers, ContinueASeasonAndATrend) {
  constexpr int kCount = 8 * kWeek;
  const auto member = fed<TypeParam>(kCount, usual);
  for (int h = 1; h <= 2 * kDay; ++h) EXPECT_NEAR(member.forecast(h), usual(kCount - 1 + h), 2.5) << h;
}

TYPED_TEST(WaveMembers, ContinueASeasonUnderNoise) {
  constexpr int kCount = 8 * kWeek;
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 3);
  const auto member = fed<TypeParam>(kCount, [&](int t) { return usual(t) + noise(random); });
  double error = 0;
  for (int h = 1; h <= kDay; ++h) error += std::abs(member.forecast(h) - usual(kCount - 1 + h)) / kDay;
  EXPECT_LT(error, 2);
}

TYPED_TEST(WaveMembers, DoWithoutWhatIsMissing) {
  constexpr int kCount = 8 * kWeek;
  const auto gaps = [](int t) { return t % 5 == 2 || (t > 1000 && t < 1040) ? std::nan("") : usual(t); };
  const auto member = fed<TypeParam>(kCount, gaps);
  for (int h = 1; h <= kDay; ++h) EXPECT_NEAR(member.forecast(h), usual(kCount - 1 + h), 2.5) << h;
}

// What little comes after months without reports does not make them forget what was before.
TYPED_TEST(WaveMembers, KnowTheSeasonAfterALongGap) {
  constexpr int kCount = 30 * kWeek;
  std::mt19937 random(5);
  std::normal_distribution<double> noise(0, 2);
  const auto level = [](int t) { return 50 + 20 * wave(t, kDay); };
  const auto gap = [&](int t) { return t >= 4 * kWeek && t < kCount - 3 ? std::nan("") : level(t) + noise(random); };
  const auto member = fed<TypeParam>(kCount, gap);
  for (int h = 1; h <= kDay; ++h) EXPECT_NEAR(member.forecast(h), level(kCount - 1 + h), 3) << h;
}

// A service that is used from its sixth day on.
TYPED_TEST(WaveMembers, LearnWhatFollowsALongSilence) {
  constexpr int kCount = 6 * kWeek;
  const auto member = fed<TypeParam>(kCount, [](int t) { return t < 5 * kDay ? 0 : usual(t); });
  for (int h = 1; h <= kDay; ++h) EXPECT_NEAR(member.forecast(h), usual(kCount - 1 + h), 8) << h;
}

// Six hours without requests, taken for typical, teach no more than a few usual deviations do.
TYPED_TEST(WaveMembers, KeepTheSeasonThroughAnOutage) {
  constexpr int kCount = 6 * kWeek;
  std::mt19937 random(2);
  std::normal_distribution<double> noise(0, 2);
  const auto seen = [&](int t) { return t >= 900 && t < 906 ? 0 : usual(t) + noise(random); };
  const auto member = fed<TypeParam>(kCount, seen);
  for (int h = 1; h <= kDay; ++h) EXPECT_NEAR(member.forecast(h), usual(kCount - 1 + h), 8) << h;
}

// A forecast is a function of what came before it: those of a long series' beginning are those of the short one.
TYPED_TEST(WaveMembers, DoNotLookAhead) {
  TypeParam along(kSeasons);
  for (int t = 0; t < 600; ++t) {
    along.observe(usual(t), true);
    if (t == 399) {
      EXPECT_EQ(along.forecast(12), fed<TypeParam>(400, usual).forecast(12));
    }
  }
}

TYPED_TEST(WaveMembers, MoveAndScaleWithTheSeries) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<double> noise;
  for (int t = 0; t < 500; ++t) noise.push_back(normal(random));
  const auto value = [&](int t) { return usual(t) + noise[static_cast<std::size_t>(t)]; };
  const auto plain = fed<TypeParam>(500, value);
  for (const double factor : {-1.0, 1e-3, 1e5}) {
    for (const double shift : {0.0, 1000.0}) {
      const auto moved = fed<TypeParam>(500, [&](int t) { return factor * (value(t) + shift); });
      for (int h = 1; h <= kDay; ++h)
        EXPECT_NEAR(moved.forecast(h) / factor - shift, plain.forecast(h), 1e-4) << factor << " " << shift;
    }
  }
}

TEST(Structural, FindsHowFastALevelMoves) {
  std::mt19937 random(2);
  std::normal_distribution<double> normal;
  double walk = 0, last = 0, sum = 0;
  const auto walking = fed<Structural>(1500, [&](int) { return last = walk += normal(random); });
  const auto resting = fed<Structural>(1500, [&](int) {
    last = normal(random);
    sum += last;
    return last;
  });
  EXPECT_NEAR(walking.forecast(1), walk, 1.5) << "the last value is nearly the best there is";
  EXPECT_NEAR(resting.forecast(kDay), sum / 1500, 0.5) << "the mean is";
}

TEST(HarmonicRegression, CarriesOnWhatItIsOff) {
  const auto shifted = [](int t) { return usual(t) + (t >= 1300 ? 10 : 0); };
  std::mt19937 random(4);
  std::normal_distribution<double> noise(0, 4);
  const auto member = fed<HarmonicRegression>(1310, [&](int t) { return shifted(t) + noise(random); });
  EXPECT_GT(member.forecast(1), usual(1310));
}

}  // namespace
}  // namespace gnomon::forecast
