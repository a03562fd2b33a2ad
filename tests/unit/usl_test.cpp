#include "coordinator/capacity/usl.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace gnomon::capacity {
namespace {

std::vector<Measurement> curve(double alpha, double beta, double gamma, double noise = 0) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0, noise);
  std::vector<Measurement> out;
  for (const double n : {1, 2, 4, 8, 12, 16, 24, 32, 48, 64})
    out.push_back({n, gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) * (1 + normal(random))});
  return out;
}

TEST(Usl, FindsTheParametersOfItsOwnCurve) {
  const auto fit = fit_usl(curve(0.03, 0.0005, 120));
  ASSERT_TRUE(fit.ok());
  EXPECT_NEAR(fit->alpha.value, 0.03, 1e-6);
  EXPECT_NEAR(fit->beta.value, 0.0005, 1e-8);
  EXPECT_NEAR(fit->gamma.value, 120, 1e-4);
  ASSERT_TRUE(fit->peak_load);
  EXPECT_NEAR(fit->peak_load->value, std::sqrt(0.97 / 0.0005), 1e-2);
}

TEST(Usl, CallsNoPeakWhereThroughputNeverFalls) {
  const auto contention = fit_usl(curve(0.05, 0, 120, 0.01)), linear = fit_usl(curve(0, 0, 120, 0.01));
  ASSERT_TRUE(contention.ok() && linear.ok());
  EXPECT_FALSE(contention->peak_load);
  EXPECT_TRUE(contention->contention_limit);
  EXPECT_FALSE(linear->peak_load);
  EXPECT_FALSE(linear->contention_limit);
}

TEST(Usl, DoesNotDependOnTheUnitOfThroughput) {
  auto data = curve(0.03, 0.0005, 120, 0.02);
  const auto plain = fit_usl(data);
  for (Measurement& m : data) m.throughput *= 1e6;
  const auto scaled = fit_usl(data);
  ASSERT_TRUE(plain.ok() && scaled.ok());
  EXPECT_NEAR(scaled->alpha.value, plain->alpha.value, 1e-9);
  EXPECT_NEAR(scaled->gamma.high / plain->gamma.high, 1e6, 1e-3);
}

TEST(Usl, RefusesTooLittle) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(fit_usl({}).ok());
  EXPECT_FALSE(fit_usl({{1, 10}}).ok());
  EXPECT_FALSE(fit_usl({{1, 10}, {1, 11}, {2, 19}, {2, 20}}).ok());
  EXPECT_FALSE(fit_usl({{1, 10}, {2, nan}, {nan, 19}, {3, -1}, {4, 1}}).ok());
}

TEST(Usl, StudentsQuantilesAreTheTables) {
  EXPECT_NEAR(student_t(1, 0.95), 12.7062, 1e-4);
  EXPECT_NEAR(student_t(2, 0.95), 4.30265, 1e-5);
  EXPECT_NEAR(student_t(3, 0.95), 3.18245, 1e-5);
  EXPECT_NEAR(student_t(4, 0.95), 2.77645, 1e-5);
  EXPECT_NEAR(student_t(30, 0.99), 2.74999, 1e-4);
}

}  // namespace
}  // namespace gnomon::capacity
