// Services that are no station of the model: how far off it may be, by simulations of both the test and the truth.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "coordinator/capacity/capacity_model.h"
#include "tests/unit/simulated_service.h"

namespace gnomon::capacity {
namespace {

constexpr double kRequests = 600000;  // of the simulations that are the truth
const std::vector<double> kShares = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6};

std::vector<Window> tested(const SimulatedService& service, double capacity,
                           const std::vector<double>& shares = kShares, std::uint64_t seed = 100) {
  Random random(seed);
  std::vector<double> rates;
  for (const double share : shares) rates.push_back(share * capacity);
  return load_test_of(service, rates, random);
}

// The maximum rate at the objective that 85% of capacity would just meet, over what it is.
double promised_of_true(const SimulatedService& service, double capacity, const std::vector<double>& shares = kShares,
                        std::uint64_t seed = 100) {
  const double objective = true_p99(service, 0.85 * capacity, kRequests, Random(7));
  const auto model = CapacityModel::fit(tested(service, capacity, shares, seed));
  if (!model.ok()) return std::nan("");
  const auto limit = model->max_rate(objective, Quantile::kP99);
  return limit.ok() ? limit->rate.value / true_max_rate(service, objective, capacity, kRequests, Random(8))
                    : std::nan("");
}

TEST(CapacityOf, AProcessorThatWorksOnAllRequestsAtOnce) {
  EXPECT_NEAR(promised_of_true({.servers = 4, .service = lognormal(0.01, 1.5), .shared = true}, 400), 1, 0.12);
}

TEST(CapacityOf, WorkWithAHeavyTail) {
  EXPECT_NEAR(promised_of_true({.servers = 4, .service = pareto(0.01, 2.5)}, 400), 1, 0.12);
}

TEST(CapacityOf, AStationBehindThatIsLessBusy) {
  const SimulatedService service{
      .servers = 4, .service = lognormal(0.01, 0.7), .second_servers = 4, .second = exponential(0.007)};
  EXPECT_NEAR(promised_of_true(service, 400), 1, 0.12);
}

TEST(CapacityOf, AServiceTestedWithThreeLoadsOnly) {
  EXPECT_NEAR(promised_of_true({.servers = 4, .service = lognormal(0.01, 1)}, 400, {0.15, 0.35, 0.6}), 1, 0.12);
}

// A minute of them may bring a tenth less than was offered: that is chance, and no saturation.
TEST(CapacityOf, ArrivalsInBursts) {
  const SimulatedService service{.servers = 4, .service = lognormal(0.01, 1), .burst = 0.5};
  for (const std::uint64_t seed : {100U, 101U}) EXPECT_NEAR(promised_of_true(service, 400, kShares, seed), 1, 0.12);
}

// What no single station explains is not answered as surely as what one does.
TEST(CapacityOf, ArrivalsInBurstsIsLessCertain) {
  const SimulatedService calm{.servers = 4, .service = lognormal(0.01, 1)};
  SimulatedService bursty = calm;
  bursty.burst = 0.8;
  const auto of_calm = CapacityModel::fit(tested(calm, 400)), of_bursty = CapacityModel::fit(tested(bursty, 400));
  ASSERT_TRUE(of_calm.ok() && of_bursty.ok());
  const auto width = [](const CapacityModel& model) {
    const Estimate latency = model.latency(280, Quantile::kP99);
    return std::log(latency.high / latency.low);
  };
  EXPECT_GT(width(*of_bursty), 1.2 * width(*of_calm));
}

TEST(CapacityOf, ALoadTestIsThatOfItsWindowsInAnyOrder) {
  auto windows = tested({.servers = 2, .service = exponential(0.01)}, 200);
  const auto one = CapacityModel::fit(windows);
  std::shuffle(windows.begin(), windows.end(), Random(1));
  const auto other = CapacityModel::fit(windows);
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NEAR(other->capacity().value / one->capacity().value, 1, 1e-3);
  EXPECT_NEAR(other->latency(170, Quantile::kP99).value / one->latency(170, Quantile::kP99).value, 1, 1e-2);
}

}  // namespace
}  // namespace gnomon::capacity
