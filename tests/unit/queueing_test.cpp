#include <gtest/gtest.h>

#include <cmath>

#include "coordinator/capacity/closed_network.h"
#include "coordinator/capacity/queueing.h"

namespace gnomon::capacity {
namespace {

constexpr double kExact = 1e-9;

void expect_near(double computed, double expected) {
  EXPECT_NEAR(computed, expected, kExact * std::abs(expected));
}

TEST(Queueing, ErlangsFormulasAreTheirSums) {
  for (const int c : {1, 2, 7, 30}) {
    const double a = 0.8 * c;
    double term = 1, sum = 1;
    for (int n = 1; n <= c; ++n) sum += term *= a / n;
    expect_near(erlang_b(c, a), term / sum);
    const double waiting = term / (1 - a / c);
    expect_near(erlang_c(c, a), waiting / (sum - term + waiting));
  }
}

TEST(Queueing, ErlangBIsInvertedAndStaysFiniteForManyServers) {
  expect_near(erlang_b(500, erlang_b_offered(500, 0.02)), 0.02);
  EXPECT_GT(erlang_b(100000, 1e5), 0);
  EXPECT_EQ(erlang_b(3, 0), 0);
}

TEST(Queueing, OneServerHasTheClosedForm) {
  const Mmc queue(1, 0.9, 1);
  expect_near(queue.means().sojourn, 10);
  expect_near(queue.sojourn_quantile(0.99), -std::log(0.01) / 0.1);
  expect_near(queue.waiting_quantile(0.99), std::log(0.9 / 0.01) / 0.1);
}

TEST(Queueing, LittlesLawHolds) {
  for (const int c : {1, 4, 64}) {
    const double arrival = 0.93 * c;
    const Means means = Mmc(c, arrival, 1).means();
    expect_near(means.present, arrival * means.sojourn);
    expect_near(means.queued, means.present - arrival);
  }
}

TEST(Queueing, SojournSurvivalIntegratesToItsMeanWhateverTheRates) {
  // The drain rate below, at and above the service rate.
  for (const double arrival : {3.5, 3.0, 3.0 + 1e-9, 2.0}) {
    const Mmc queue(4, arrival, 1);
    double sum = 0;
    constexpr double kStep = 1e-3;
    for (double t = kStep / 2; t < 80; t += kStep) sum += queue.sojourn_beyond(t) * kStep;
    EXPECT_NEAR(sum, queue.means().sojourn, 1e-6) << arrival;
  }
}

TEST(Queueing, AQuantileHasItsProbabilityBeyond) {
  const Mmc queue(8, 7.5, 1);
  for (const double p : {0.1, 0.5, 0.99, 0.9999}) expect_near(queue.sojourn_beyond(queue.sojourn_quantile(p)), 1 - p);
}

TEST(Queueing, ManyPlacesAreNoLimitAndAsManyAsServersLose) {
  expect_near(mmck(3, 2000, 2.4, 1).means.sojourn, Mmc(3, 2.4, 1).means().sojourn);
  expect_near(mmck(5, 5, 4, 1).blocked, erlang_b(5, 4));
  const Mmck busy = mmck(2, 400, 50, 1);
  expect_near(busy.accepted_rate, 2);
}

TEST(Queueing, PollaczekAndKhinchineAgreeWithOneExponentialServer) {
  expect_near(mg1(0.7, 1, 1).waiting, Mmc(1, 0.7, 1).means().waiting);
  expect_near(mg1(0.7, 1, 0).waiting, mg1(0.7, 1, 1).waiting / 2);
}

TEST(Queueing, OutsideTheDomainIsNoNumberAndOverloadIsForEver) {
  EXPECT_TRUE(std::isnan(erlang_b(2, -1)) && std::isnan(erlang_c(0, 1)) && std::isnan(Mmc(2, 1, 0).means().waiting));
  EXPECT_TRUE(std::isnan(Mmc(2, 1, 1).sojourn_quantile(1)) && std::isnan(mg1(1, -1, 1).waiting));
  EXPECT_TRUE(std::isinf(Mmc(2, 2, 1).sojourn_quantile(0.5)) && std::isinf(mg1(1, 1, 0).waiting));
}

TEST(ClosedNetwork, OneMultiServerStationIsTheMachineRepairman) {
  // Birth and death by hand: 2 servers, think 3, demand 1, 5 clients.
  const int clients = 5;
  double weight = 1, sum = 1, busy = 0, present = 0;
  for (int n = 1; n <= clients; ++n) {
    weight *= (clients - n + 1) / 3.0 / std::min(n, 2);
    sum += weight;
    busy += weight * std::min(n, 2);
    present += weight * n;
  }
  const ClosedPoint last = closed_network({{1, 2}}, 3, clients).back();
  expect_near(last.throughput, busy / sum);
  expect_near(last.present[0], present / sum);
}

TEST(ClosedNetwork, ClientsAreSomewhereAndThroughputKeepsWithinBounds) {
  const std::vector<Station> stations = {{0.2, 4}, {0.03, 1}, {0.1, 2}};
  const double think = 1.5;
  const AsymptoticBounds bounds = asymptotic_bounds(stations, think);
  for (const ClosedPoint& point : closed_network(stations, think, 300)) {
    double total = point.throughput * think;
    for (const double present : point.present) total += present;
    expect_near(total, point.clients);
    EXPECT_LE(point.throughput, bounds.throughput * (1 + kExact));
  }
}

TEST(ClosedNetwork, SingleServersFollowMeanValueAnalysis) {
  const std::vector<Station> stations = {{0.2, 1}, {0.05, 1}};
  std::vector<double> queue(2, 0);
  for (const ClosedPoint& point : closed_network(stations, 0.7, 50)) {
    double response = 0, residence[2];
    for (std::size_t i = 0; i < 2; ++i) response += residence[i] = stations[i].demand * (1 + queue[i]);
    const double throughput = point.clients / (0.7 + response);
    for (std::size_t i = 0; i < 2; ++i) queue[i] = throughput * residence[i];
    expect_near(point.throughput, throughput);
    expect_near(point.present[0], queue[0]);
  }
}

TEST(ClosedNetwork, NothingIsComputedOfNonsense) {
  EXPECT_TRUE(closed_network({{0.1, 1}}, 0, 0).empty());
  EXPECT_TRUE(closed_network({{-1, 1}}, 0, 3).empty());
  EXPECT_TRUE(closed_network({{0.1, 0}}, 0, 3).empty());
  EXPECT_TRUE(closed_network({}, 0, 3).empty());
}

}  // namespace
}  // namespace gnomon::capacity
