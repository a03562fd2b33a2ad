#include "coordinator/capacity/capacity_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "coordinator/capacity/queueing.h"

namespace gnomon::capacity {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

// What a long test of M/M/c measures at the given shares of capacity, with a little seeded noise.
std::vector<Window> load_test(int servers, double service_rate,
                              std::vector<double> shares = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}) {
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 0.005);
  std::vector<Window> out;
  for (const double share : shares) {
    const double rate = share * servers * service_rate;
    const Mmc queue(servers, rate, service_rate);
    for (int i = 0; i < 3; ++i) {
      const auto vary = [&](double value) { return value * std::exp(noise(random)); };
      out.push_back({rate, rate, vary(queue.means().sojourn), vary(queue.sojourn_quantile(0.5)),
                     vary(queue.sojourn_quantile(0.95)), vary(queue.sojourn_quantile(0.99)), 20000, vary(share), 0});
    }
  }
  return out;
}

TEST(CapacityModel, FindsTheLimitOfAQueueTestedToSixTenths) {
  const auto model = CapacityModel::fit(load_test(4, 100));
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_NEAR(model->capacity().value, 400, 8);
  const double slo = Mmc(4, 340, 100).sojourn_quantile(0.99);
  const auto limit = model->max_rate(slo, Quantile::kP99);
  ASSERT_TRUE(limit.ok());
  EXPECT_NEAR(limit->rate.value, 340, 10);
  EXPECT_TRUE(limit->extrapolated);
  EXPECT_LT(limit->rate.low, 340);
  EXPECT_GT(limit->rate.high, 340);
}

TEST(CapacityModel, ScalesWithTheUnitOfTime) {
  auto windows = load_test(2, 100);
  const auto plain = CapacityModel::fit(windows);
  for (Window& w : windows) {
    for (double* rate : {&w.offered, &w.achieved}) *rate /= 64;
    for (double* time : {&w.mean, &w.p50, &w.p95, &w.p99}) *time *= 64;
  }
  const auto scaled = CapacityModel::fit(windows);
  ASSERT_TRUE(plain.ok() && scaled.ok());
  EXPECT_NEAR(scaled->capacity().value * 64 / plain->capacity().value, 1, 1e-2);
  const double latency = plain->latency(170, Quantile::kP99).value;
  EXPECT_NEAR(scaled->latency(170.0 / 64, Quantile::kP99).value / 64 / latency, 1, 3e-2);
}

TEST(CapacityModel, AnswersInOtherUnitsOfLoadThanLatency) {
  auto windows = load_test(2, 100);
  for (Window& w : windows)
    for (double* rate : {&w.offered, &w.achieved}) *rate *= 60;
  const auto model = CapacityModel::fit(windows);
  ASSERT_TRUE(model.ok());
  EXPECT_NEAR(model->capacity().value, 12000, 600);
}

TEST(CapacityModel, LatencyNeverFallsAsTheRateRises) {
  const auto model = CapacityModel::fit(load_test(8, 10));
  ASSERT_TRUE(model.ok());
  double last = 0;
  for (double rate = 0; rate < 90; rate += 0.5) {
    const Estimate latency = model->latency(rate, Quantile::kP95);
    EXPECT_GE(latency.value, last);
    EXPECT_LE(latency.low, latency.value);
    EXPECT_GE(latency.high, latency.value);
    last = latency.value;
  }
  EXPECT_TRUE(std::isinf(last));
}

TEST(CapacityModel, IsLessCertainBeyondWhatWasTested) {
  const auto model = CapacityModel::fit(load_test(2, 100));
  ASSERT_TRUE(model.ok());
  const auto width = [&](double rate) {
    const Estimate latency = model->latency(rate, Quantile::kP99);
    return std::log(latency.high / latency.low);
  };
  EXPECT_GT(width(170), 1.5 * width(100));
}

TEST(CapacityModel, CallsAKneeOnlyWhereOneWasTested) {
  const auto shown = CapacityModel::fit(load_test(1, 100, {0.1, 0.3, 0.5, 0.7, 0.8}));
  const auto hidden = CapacityModel::fit(load_test(32, 100));
  ASSERT_TRUE(shown.ok() && hidden.ok());
  ASSERT_TRUE(shown->knee());
  EXPECT_NEAR(shown->knee()->value, 50, 8);  // of M/M/1: half of capacity
  EXPECT_FALSE(hidden->knee());
}

TEST(CapacityModel, RefusesWhatDoesNotShowACapacity) {
  EXPECT_FALSE(CapacityModel::fit({}).ok());
  auto windows = load_test(2, 100);
  EXPECT_FALSE(CapacityModel::fit({windows.front()}).ok());
  EXPECT_FALSE(CapacityModel::fit(load_test(2, 100, {0.05, 0.1, 0.15, 0.2})).ok());
  for (Window& w : windows) w.busy = kNaN;
  EXPECT_FALSE(CapacityModel::fit(windows).ok());
}

TEST(CapacityModel, DoesWithoutSomeOfTheStatistics) {
  auto windows = load_test(2, 100);
  for (Window& w : windows) w.p50 = w.p95 = kNaN;
  windows[4].p99 = kNaN;
  windows[7].busy = kNaN;
  windows[9].achieved = kNaN;
  const auto model = CapacityModel::fit(windows);
  ASSERT_TRUE(model.ok());
  EXPECT_NEAR(model->capacity().value, 200, 10);
}

TEST(CapacityModel, KeepsWithinWhatErrorsAndSaturationShow) {
  auto windows = load_test(2, 100);
  for (Window& w : windows)
    if (w.offered > 90) w.error_share = 0.05;
  windows.push_back({300, 150, 1, 1, 2, 2, 20000, 1, 0});
  const auto model = CapacityModel::fit(windows);
  ASSERT_TRUE(model.ok());
  const auto allowed = model->max_rate(10, Quantile::kP99, 0.01), lenient = model->max_rate(10, Quantile::kP99, 0.1);
  ASSERT_TRUE(allowed.ok() && lenient.ok());
  EXPECT_TRUE(allowed->by_errors);
  EXPECT_NEAR(allowed->rate.value, 100, 1);
  EXPECT_LE(lenient->rate.value, 150);
  EXPECT_FALSE(model->max_rate(1e-6, Quantile::kP99).ok());
  EXPECT_FALSE(model->max_rate(kNaN, Quantile::kP99).ok());
}

// A simulation without chance, or a clock too coarse to show any: each window is the other's copy, no latency rises.
TEST(CapacityModel, FindsNoKneeInLatenciesThatAreConstant) {
  std::vector<Window> windows;
  for (const double rate : {10.0, 20.0, 30.0, 40.0, 50.0})
    for (int i = 0; i < 4; ++i) windows.push_back({rate, rate, 0.01, 0.01, 0.01, 0.01, 15 * rate, rate * 0.01, 0});
  const auto model = CapacityModel::fit(windows);
  ASSERT_TRUE(model.ok());
  EXPECT_FALSE(model->knee());
  EXPECT_NEAR(model->latency(30, Quantile::kP99).value, 0.01, 0.002);
  const auto limit = model->max_rate(0.1, Quantile::kP99);
  ASSERT_TRUE(limit.ok());
  EXPECT_GE(limit->rate.value, 50);
  EXPECT_LE(limit->rate.value, 105) << "one server that is busy for 10 ms a request";
}

TEST(CapacityModel, SurvivesWhateverIsMeasured) {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> pick(0, 9);
  std::lognormal_distribution<double> any(0, 4);
  for (int round = 0; round < 6; ++round) {
    std::vector<Window> windows(12);
    for (Window& w : windows)
      for (double* value : {&w.offered, &w.achieved, &w.mean, &w.p50, &w.p95, &w.p99, &w.requests, &w.busy}) {
        const int kind = pick(random);
        *value = kind == 0                ? kNaN
                 : kind == 1 && round % 2 ? 0
                 : value == &w.busy       ? std::min(1.0, any(random))
                                          : any(random);
      }
    const auto model = CapacityModel::fit(windows);
    if (!model.ok()) continue;
    const Estimate latency = model->latency(model->highest_tested(), Quantile::kP99);
    EXPECT_FALSE(std::isnan(latency.value));
    if (const auto limit = model->max_rate(1, Quantile::kP99); limit.ok()) {
      EXPECT_GT(limit->rate.value, 0);
    }
  }
}

}  // namespace
}  // namespace gnomon::capacity
