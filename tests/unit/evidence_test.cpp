#include <cmath>
#include <limits>
#include <random>

#include "coordinator/judge/counts.h"
#include "coordinator/judge/discoveries.h"
#include "coordinator/judge/rule.h"
#include "coordinator/judge/sequential.h"
#include "gtest/gtest.h"

namespace gnomon::judge {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Counts, ProportionsHaveFishersProbabilities) {
  // Fisher's tea: 3 of 4 against 1 of 4. P(3) = 16/70, P(4) = 1/70.
  const CountTest test = compare_proportions({1, 4}, {3, 4});
  EXPECT_NEAR(test.p_more, 8.0 / 70 + 1.0 / 70, 1e-12);
  EXPECT_NEAR(test.p_value, 18.0 / 70, 1e-12);
}

TEST(Counts, ProportionsHaveNewcombesInterval) {
  // Newcombe (1998), example (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
  const CountTest test = compare_proportions({48, 80}, {56, 70});
  EXPECT_NEAR(test.effect.estimate, 0.2, 1e-12);
  EXPECT_NEAR(test.effect.low, 0.0524, 5e-5);
  EXPECT_NEAR(test.effect.high, 0.3339, 5e-5);
}

TEST(Counts, ProportionsOfManyRequestsAreFoundDifferent) {
  EXPECT_LT(compare_proportions({1000, 1000000}, {1300, 1000000}).p_more, 1e-8);
  EXPECT_GT(compare_proportions({1000, 1000000}, {1010, 1000000}).p_value, 0.5);
}

TEST(Counts, NothingToCompareIsNoDifference) {
  EXPECT_EQ(compare_proportions({0, 0}, {0, 10}).p_value, 1);
  EXPECT_TRUE(std::isnan(compare_proportions({0, 0}, {0, 10}).effect.estimate));
  EXPECT_EQ(compare_proportions({0, 10}, {0, 10}).p_value, 1);
  EXPECT_EQ(compare_rates({0, 10}, {0, 10}).p_value, 1);
  EXPECT_EQ(compare_rates({5, 0}, {5, 10}).p_value, 1);
}

TEST(Counts, RatesCompareByExposure) {
  EXPECT_NEAR(compare_rates({10, 100}, {20, 200}).effect.estimate, 1, 1e-12);
  EXPECT_GT(compare_rates({10, 100}, {20, 200}).p_value, 0.9);
  const CountTest test = compare_rates({10, 100}, {30, 100});
  EXPECT_LT(test.p_more, 0.002);
  EXPECT_GT(test.effect.low, 1.4);
  EXPECT_LT(test.effect.low, test.effect.estimate);
  EXPECT_TRUE(std::isinf(compare_rates({0, 100}, {3, 100}).effect.high));
}

TEST(Counts, ZerosAreAShareOfTheirOwn) {
  const double values[] = {0, 0, 1, 2, 0};
  EXPECT_EQ(share_of(sample_of(values), 0).events, 3);
  EXPECT_EQ(share_of(sample_of(values), 0).trials, 5);
  EXPECT_EQ(share_of(sample_of(values), 9).events, 0);
}

TEST(Discoveries, AreThoseOfBenjaminiAndHochbergsExample) {
  // Benjamini and Hochberg (1995), section 3.1: 15 tests, the first 4 at 5%.
  const double p[] = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                      0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000};
  EXPECT_EQ(discoveries_by_p(p, 0.05), (std::vector<std::size_t>{0, 1, 2, 3}));
}

TEST(Discoveries, DoNotCountWhatHasNoData) {
  const double p[] = {kNaN, 0.04, kNaN}, e[] = {kNaN, 25, 0};
  EXPECT_EQ(discoveries_by_p(p, 0.05), (std::vector<std::size_t>{1}));
  EXPECT_EQ(discoveries_by_e(e, 0.1), (std::vector<std::size_t>{1}));
  EXPECT_TRUE(discoveries_by_e(e, 0.05).empty());
  EXPECT_TRUE(discoveries_by_p({}, 0.05).empty());
}

TEST(Rule, ReportsAShiftBeyondItsToleranceAndEffect) {
  const Sample control = sample_of(std::vector<double>{1, 2.2, 1.1, 2.5, 3}),
               treatment = sample_of(std::vector<double>{20, 22, 21, 25, 30});
  const Rule rule{.tolerance = 0.1, .confidence = 0.95};
  EXPECT_EQ(classify_by_rule(control, treatment, rule).classification, Classification::kHigh);
  EXPECT_EQ(classify_by_rule(treatment, control, rule).classification, Classification::kLow);
  EXPECT_EQ(classify_by_rule(control, control, rule).classification, Classification::kPass);
  Rule demanding = rule;
  demanding.effect = {1, 15};  // the ratio of the means is 12
  EXPECT_EQ(classify_by_rule(control, treatment, demanding).classification, Classification::kPass);
  Rule one_way = rule;
  one_way.reported = Harm::kDecrease;
  EXPECT_EQ(classify_by_rule(control, treatment, one_way).classification, Classification::kPass);
}

TEST(Rule, AsksTheRankTestWhereMostValuesAreEqual) {
  const Sample control{.groups = {{0, 190}, {1.5, 20}}, .count = 210},
      treatment{.groups = {{0, 120}, {1.5, 90}}, .count = 210};
  const RuleVerdict verdict = classify_by_rule(control, treatment, {.tolerance = 0.1, .confidence = 0.95});
  EXPECT_EQ(verdict.classification, Classification::kHigh);
  EXPECT_NEAR(verdict.effect, 4.5, 1e-9);
}

TEST(Rule, SaysThatThereIsNoData) {
  const Sample some = sample_of(std::vector<double>{1, 2, 3});
  EXPECT_EQ(classify_by_rule(some, {}, {}).classification, Classification::kNoData);
  EXPECT_TRUE(classify_by_rule(some, {}, {.is_critical = true}).critical);
  EXPECT_EQ(classify_by_rule(some, {}, {.absence_is_nothing = true}).classification, Classification::kPass);
  EXPECT_EQ(classify_by_means(some, {}).classification, Classification::kNoData);
}

TEST(Sequential, LookedAtAfterEveryPairRaisesNoMoreFalseAlarmsThanNominal) {
  const int runs = 400;
  int alarms = 0;
  for (int run = 0; run < runs; ++run) {
    std::mt19937_64 random(static_cast<std::uint64_t>(run));
    std::student_t_distribution<double> noise(2);  // no variance
    PairedEvidence evidence;
    for (int i = 0; i < 3000 && !evidence.reached(0.05); ++i)
      evidence.add((1 + std::sin(i / 100.0)) * (noise(random) - noise(random)));
    alarms += evidence.reached(0.05);
  }
  EXPECT_LE(alarms, 33);  // 20 expected at most; 33 has probability 0.3%
}

TEST(Sequential, FindsASmallShiftAndItsDirection) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0.3, 1);
  PairedEvidence higher(Alternative::kHigher), lower(Alternative::kLower), expected(Alternative::kEither, 0.3);
  for (int i = 0; i < 400; ++i) {
    const double difference = noise(random);
    higher.add(difference);
    lower.add(difference);
    expected.add(difference);
  }
  EXPECT_TRUE(higher.reached(1e-4));
  EXPECT_FALSE(lower.reached(0.05));
  EXPECT_FALSE(expected.reached(0.05));
}

TEST(Sequential, DoesNotDependOnTheUnit) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> noise(0.2, 1);
  PairedEvidence seconds, nanoseconds;
  for (int i = 0; i < 200; ++i) {
    const double difference = noise(random);
    seconds.add(difference);
    nanoseconds.add(1e9 * difference);
  }
  EXPECT_NEAR(seconds.log_e_value(), nanoseconds.log_e_value(), 1e-9);
}

TEST(Sequential, TakesWhatIsMissingAsNoEvidence) {
  PairedEvidence evidence;
  for (const double value : {kNaN, double{INFINITY}, 0.0, 0.0}) evidence.add(value);
  EXPECT_EQ(evidence.count(), 2U);
  EXPECT_EQ(evidence.e_value(), 1);
  EventEvidence events;
  events.add(0, 0, 5, 10);
  events.add(0, 100, 0, 100);
  EXPECT_EQ(events.e_value(), 1);
}

TEST(Sequential, FindsMoreErrorsAndRaisesNoFalseAlarmWithEqualOnes) {
  int found = 0, alarms = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::poisson_distribution<int> usual(2), more(4);
    EventEvidence same(Alternative::kHigher), worse(Alternative::kHigher);
    for (int i = 0; i < 300; ++i) {
      same.add(usual(random), 1000, usual(random), 1000);
      worse.add(usual(random), 1000, more(random), 1000);
    }
    alarms += same.reached(0.05);
    found += worse.reached(0.05);
  }
  EXPECT_EQ(found, 200);
  EXPECT_LE(alarms, 20);
}

TEST(Sequential, ShareStaysWithinItsSequence) {
  int left = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::bernoulli_distribution event(0.1);
    double successes = 0;
    bool outside = false;
    for (int n = 1; n <= 1000; ++n) {
      successes += event(random);
      const Interval share = share_at_any_time(successes, n, 0.05);
      outside = outside || share.low > 0.1 || share.high < 0.1;
    }
    left += outside;
  }
  EXPECT_LE(left, 20);
  EXPECT_LT(share_at_any_time(100, 1000, 0.05).high - share_at_any_time(100, 1000, 0.05).low, 0.1);
}

TEST(Sequential, MedianIsBetweenOrderStatistics) {
  std::vector<double> values;
  for (int i = 0; i < 201; ++i) values.push_back(i);
  const Interval median = median_at_any_time(sample_of(values), 0.05);
  EXPECT_EQ(median.estimate, 100);
  EXPECT_GT(median.low, 60);
  EXPECT_LT(median.low, 90);
  EXPECT_EQ(median.high - 100, 100 - median.low);
  EXPECT_TRUE(std::isinf(median_at_any_time(sample_of(std::vector<double>{1, 2}), 0.05).high));
}

}  // namespace
}  // namespace gnomon::judge
