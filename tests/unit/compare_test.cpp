#include "coordinator/judge/compare.h"

#include <cmath>
#include <limits>
#include <random>

#include "gtest/gtest.h"

namespace gnomon::judge {
namespace {

using Series = std::vector<double>;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Series normal_series(std::size_t count, double mean, double stddev, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(mean, stddev);
  Series values(count);
  for (double& value : values) value = normal(random);
  return values;
}

Series mapped(Series values, double scale, double shift) {
  for (double& value : values) value = scale * value + shift;
  return values;
}

Comparison compare_series(const Series& control, const Series& treatment, const CompareSettings& settings = {}) {
  const auto [from, to] = samples_side_by_side(control, treatment);
  return compare(from, to, settings);
}

// One value in five is far higher.
Series with_tail(Series values, double excess) {
  for (std::size_t i = 0; i < values.size(); i += 5) values[i] += excess;
  return values;
}

TEST(Compare, FindsAShiftAndItsDirection) {
  const Series control = normal_series(30, 100, 2, 1), treatment = normal_series(30, 105, 2, 2);
  const Comparison higher = compare_series(control, treatment), lower = compare_series(treatment, control);
  EXPECT_EQ(higher.classification, Classification::kHigh);
  EXPECT_EQ(lower.classification, Classification::kLow);
  EXPECT_LT(higher.shift.low, 5);
  EXPECT_GT(higher.shift.high, 5);
  EXPECT_GT(higher.shift.low, 0);
  EXPECT_DOUBLE_EQ(higher.shift.estimate, -lower.shift.estimate);
}

TEST(Compare, FindsATailThatLeavesTheMedianAlone) {
  const Series control = normal_series(30, 100, 2, 3), treatment = with_tail(normal_series(30, 100, 2, 4), 50);
  const Comparison result = compare_series(control, treatment, {.harm = Harm::kIncrease});
  EXPECT_EQ(result.classification, Classification::kHigh);
  EXPECT_GT(result.ranks.p_value, 0.01);
  EXPECT_NEAR(result.upper.share, 0.2, 0.01);
  EXPECT_EQ(compare_series(mapped(control, -1, 0), mapped(treatment, -1, 0), {.harm = Harm::kDecrease}).classification,
            Classification::kLow);
}

TEST(Compare, ReportsATailOnlyWhereItIsHarmful) {
  const Series control = normal_series(30, 100, 2, 3), treatment = with_tail(normal_series(30, 100, 2, 4), 50);
  EXPECT_EQ(compare_series(control, treatment, {.harm = Harm::kDecrease}).classification, Classification::kPass);
}

// One time in ten chance alone gives such a change a direction, and now and then one side's tail is short.
TEST(Compare, MostlyCallsAChangeOfSpreadNoDirection) {
  int changes = 0, wider = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Comparison result =
        compare_series(normal_series(60, 100, 2, 500 + seed), mapped(normal_series(60, 0, 2, 600 + seed), 4, 100));
    changes += result.classification == Classification::kPass && result.spread_changed;
    wider += result.spread_ratio > 2 && result.spread_ratio < 8;
  }
  EXPECT_GE(changes, 45);
  EXPECT_GE(wider, 58);
}

TEST(Compare, DoesNotDependOnUnitOrOrigin) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Series control = normal_series(20, 10, 1, 100 + seed);
    const Series treatment = seed % 3 == 0
                                 ? with_tail(normal_series(20, 10, 1, 200 + seed), 6)
                                 : normal_series(20, 10 + 0.1 * static_cast<double>(seed % 10), 1, 200 + seed);
    const Comparison plain = compare_series(control, treatment);
    for (const double scale : {0.125, 1024.0})
      for (const double shift : {-64.0, 0.0, 4096.0}) {
        const Comparison moved = compare_series(mapped(control, scale, shift), mapped(treatment, scale, shift));
        EXPECT_EQ(moved.classification, plain.classification) << seed;
        EXPECT_NEAR(moved.ranks.p_value, plain.ranks.p_value, 1e-12);
        EXPECT_NEAR(moved.upper.p_value, plain.upper.p_value, 1e-6);
        EXPECT_NEAR(moved.shift.estimate, scale * plain.shift.estimate, 1e-7 * scale);
        EXPECT_NEAR(moved.shift.low, scale * plain.shift.low, 1e-7 * scale);
      }
  }
}

TEST(Compare, MirrorsWhenTheSignIsTurned) {
  const Series control = normal_series(25, 10, 1, 7), treatment = normal_series(25, 11.5, 1, 8);
  const Comparison plain = compare_series(control, treatment),
                   turned = compare_series(mapped(control, -1, 0), mapped(treatment, -1, 0));
  EXPECT_EQ(plain.classification, Classification::kHigh);
  EXPECT_EQ(turned.classification, Classification::kLow);
  EXPECT_NEAR(plain.ranks.p_value, turned.ranks.p_value, 1e-12);
  EXPECT_NEAR(plain.upper.p_value, turned.lower.p_value, 1e-12);
}

TEST(Compare, SubtractsWhatInjectedNoiseIsExpectedToAdd) {
  const Series control = normal_series(30, 100, 2, 9), treatment = normal_series(30, 150, 2, 10);
  EXPECT_EQ(compare_series(control, treatment).classification, Classification::kHigh);
  EXPECT_EQ(compare_series(control, treatment, {.expected_shift = 50}).classification, Classification::kPass);
  EXPECT_EQ(compare_series(control, treatment, {.expected_shift = 60}).classification, Classification::kLow);
}

TEST(Compare, NeverPassesWhereNoAlarmWasPossible) {
  const Series none, one = {1}, four = {1, 2, 3, 4}, missing = {kNaN, kNaN, INFINITY},
                     many = normal_series(30, 0, 1, 11);
  for (const Series& few : {none, one, missing}) {
    EXPECT_EQ(compare_series(few, many).classification, Classification::kNoData);
    EXPECT_EQ(compare_series(many, few).classification, Classification::kNoData);
    EXPECT_EQ(compare_series(few, few).classification, Classification::kNoData);
  }
  EXPECT_EQ(compare_series(four, {11, 12, 13, 14}).classification, Classification::kNoData);
  EXPECT_EQ(compare_series({1, 2, 3, 4, 5}, {11, 12, 13, 14, 15}).classification, Classification::kHigh);
  EXPECT_EQ(compare_series(missing, many).missing, 3);
}

TEST(Compare, LeavesMissingValuesOut) {
  Series control = normal_series(30, 100, 2, 12), treatment = normal_series(30, 104, 2, 13);
  const Comparison whole = compare_series(control, treatment);
  for (const std::size_t at : {0U, 7U, 20U}) {
    control.insert(control.begin() + at, kNaN);
    treatment.insert(treatment.begin() + at, kNaN);
  }
  const Comparison holed = compare_series(control, treatment);
  EXPECT_EQ(holed.missing, 6);
  EXPECT_EQ(holed.classification, whole.classification);
  EXPECT_DOUBLE_EQ(holed.ranks.superiority, whole.ranks.superiority);
}

TEST(Compare, PassesConstantsThatAreEqualAndFindsThoseThatDiffer) {
  const Series fives(30, 5.0), sixes(30, 6.0);
  EXPECT_EQ(compare_series(fives, fives).classification, Classification::kPass);
  EXPECT_EQ(compare_series(fives, sixes).classification, Classification::kHigh);
  EXPECT_EQ(compare_series(sixes, fives).classification, Classification::kLow);
}

TEST(Compare, RaisesNoMoreFalseAlarmsThanItsLevels) {
  int alarms = 0;
  const int pairs = 1500;
  for (int i = 0; i < pairs; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    alarms +=
        compare_series(normal_series(30, 0, 1, 1000 + seed), normal_series(30, 0, 1, 9000 + seed)).classification !=
        Classification::kPass;
  }
  EXPECT_LE(alarms, 30);  // 1% and a little for the tails; 30 has probability 1e-4 at 1%
}

// The order of time counts: a slow wander on one side only is not so many independent values.
TEST(Compare, RaisesFewFalseAlarmsOnSeriesThatWander) {
  int alarms = 0, alarms_without_order = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Series control = normal_series(60, 0, 1, 20000 + seed), treatment = normal_series(60, 0, 1, 30000 + seed);
    for (std::size_t i = 1; i < 60; ++i) {
      control[i] += 0.7 * control[i - 1];
      treatment[i] += 0.7 * treatment[i - 1];
    }
    alarms += compare_series(control, treatment).classification != Classification::kPass;
    Sample from = sample_of(control), to = sample_of(treatment);
    from.autocorrelation = to.autocorrelation = 0;
    alarms_without_order += compare(from, to).classification != Classification::kPass;
  }
  EXPECT_GT(alarms_without_order, 60);
  EXPECT_LT(alarms, 15);
}

TEST(Compare, DoesNotTakeWhatBothWentThroughForAutocorrelation) {
  const Series noise = normal_series(60, 0, 1, 14), other = normal_series(60, 0, 1, 15);
  Series control(60), treatment(60);
  for (std::size_t i = 0; i < 60; ++i) {
    const double shared = 3 * std::sin(static_cast<double>(i) / 8);
    control[i] = shared + noise[i];
    treatment[i] = shared + other[i];
  }
  EXPECT_GT(pool(sample_of(control), sample_of(treatment)).inflation, 2);
  const auto [from, to] = samples_side_by_side(control, treatment);
  EXPECT_EQ(pool(from, to).inflation, 1);
}

TEST(Compare, TakesHistogramsAsItTakesSeries) {
  telemetry::Histogram control, treatment;
  std::mt19937_64 random(16);
  std::lognormal_distribution<double> service(std::log(2e6), 0.3);
  for (int i = 0; i < 2000; ++i) {
    control.record(Nanos(std::llround(service(random))));
    treatment.record(Nanos(std::llround(1.1 * service(random))));
  }
  const Comparison result = compare(sample_of(control), sample_of(treatment), {.harm = Harm::kIncrease});
  EXPECT_EQ(result.classification, Classification::kHigh);
  EXPECT_NEAR(result.shift.estimate, 0.2e6, 0.08e6);
  EXPECT_EQ(compare(sample_of(control), sample_of(control)).classification, Classification::kPass);
  telemetry::Histogram halves = control;
  halves.merge(control);  // what is merged is judged as one
  EXPECT_EQ(sample_of(halves).count, 4000);
}

TEST(Compare, SurvivesAnyNumbers) {
  std::mt19937_64 random(17);
  const double odd[] = {0, -0.0, 1, -1, 1e308, -1e308, 5e-324, kNaN, INFINITY, -INFINITY, 3, 3, 3};
  for (int i = 0; i < 3000; ++i) {
    Series sides[2];
    for (Series& side : sides) {
      side.resize(random() % 12);
      for (double& value : side) value = odd[random() % std::size(odd)];
    }
    const Comparison result = compare_series(sides[0], sides[1]);
    EXPECT_TRUE(result.p_value >= 0 && result.p_value <= 1) << i;
    EXPECT_FALSE(result.reason.empty());
    if (result.control_count < 2 || result.treatment_count < 2) {
      EXPECT_EQ(result.classification, Classification::kNoData);
    }
  }
}

TEST(Ranks, GivePublishedPercentilesOfAndersonDarling) {
  // Without ties and with many values: 2.492 has p = 5%, 3.857 has 1% (Scholz and Stephens 1987, table 1, k = 2).
  double p_at_5 = 0, p_at_1 = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const RankTest test = compare_ranks(
        pool(sample_of(normal_series(60, 0, 1, 50 + seed)), sample_of(normal_series(60, 0.3, 1, 5000 + seed))));
    if (std::fabs(test.anderson_darling - 2.492) < 0.1) p_at_5 = test.p_value;
    if (std::fabs(test.anderson_darling - 3.857) < 0.1) p_at_1 = test.p_value;
  }
  EXPECT_NEAR(p_at_5, 0.05, 0.008);
  EXPECT_NEAR(p_at_1, 0.01, 0.002);
}

// In no order of time.
Sample zeros_and_ones(double zeros, double ones) {
  return {.groups = {{0, zeros}, {1, ones}}, .count = zeros + ones};
}

TEST(Ranks, AreFishersExactTestOfZerosAndOnes) {
  const RankTest test = compare_ranks(pool(zeros_and_ones(8, 2), zeros_and_ones(2, 8)));
  EXPECT_NEAR(test.superiority, 0.8, 1e-12);
  EXPECT_NEAR(test.p_value, 2 * (45.0 * 45 + 10 * 10 + 1) / 184756, 1e-9);
}

TEST(Ranks, AreTheChiSquareOfManyZerosAndOnes) {
  const RankTest test = compare_ranks(pool(zeros_and_ones(32, 8), zeros_and_ones(20, 20)));
  EXPECT_NEAR(test.anderson_darling, 20 * 0.3 * 0.3 / (0.35 * 0.65) * 79 / 80, 1e-9);
  EXPECT_NEAR(test.p_value, 0.0052, 1e-4);
}

TEST(Ranks, ShiftIntervalIsThatOfThePublishedExample) {
  // R: wilcox.test(c(10, 20, 30, 40), 1:4, conf.int = TRUE, exact = FALSE) has estimate 22.5.
  const Interval shift = shift_between(sample_of(Series{1, 2, 3, 4}), sample_of(Series{10, 20, 30, 40}), 0.95);
  EXPECT_NEAR(shift.estimate, 22.5, 1e-9);
  EXPECT_NEAR(shift.low, 6, 1.01);
  EXPECT_NEAR(shift.high, 39, 1.01);
}

TEST(Tails, BetaBinomialIsRosenbaumsWithoutAMargin) {
  // P(k or more of n above the largest of n others) = C(2n - k, n) / C(2n, n).
  const double n = 10, k = 3;
  const double exact =
      std::exp(std::lgamma(2 * n - k + 1) - std::lgamma(n - k + 1) - std::lgamma(2 * n + 1) + std::lgamma(n + 1));
  EXPECT_NEAR(beta_binomial_upper(k, n, 1, n), exact, 1e-12);
}

TEST(Tails, QuantileDifferenceCoversTheTruth) {
  int covered = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Interval interval = quantile_difference(sample_of(normal_series(400, 0, 1, 70 + seed)),
                                                  sample_of(normal_series(400, 1, 1, 7000 + seed)), 0.9, 0.95);
    covered += interval.low <= 1 && 1 <= interval.high;
  }
  EXPECT_GE(covered, 275);
}

}  // namespace
}  // namespace gnomon::judge
