#include "coordinator/forecast/state_space.h"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

namespace gnomon::forecast {
namespace {

constexpr Seasons kSeasons{5, 15};
constexpr StateSpace::Model kModel{.level = 0.3, .slope = 0.02, .waves = 0.01, .damping = 0.9};

using Values = std::vector<std::optional<double>>;

StateSpace filtered(const StateSpace::Model& model, const Values& values) {
  const Waves waves(kSeasons, 4, 2);
  StateSpace space(model, waves.count());
  space.start(*values.front());
  for (std::size_t t = 0; t < values.size(); ++t) {
    space.advance();
    const Waves::Row now = waves.at(static_cast<long>(t));
    if (values[t]) space.learn(now, *values[t] - space.expected(now));
  }
  return space;
}

// The mean of the last state given the values, from the joint normal distribution of all states and values written out:
// no recursion. Sizes: n states of d numbers, one below the other.
Eigen::VectorXd posterior(const StateSpace::Model& model, const Values& values) {
  const Waves waves(kSeasons, 4, 2);
  const Eigen::Index d = 2 + waves.count(), n = static_cast<Eigen::Index>(values.size());
  Eigen::MatrixXd transition = Eigen::MatrixXd::Identity(d, d), noise = model.waves * Eigen::MatrixXd::Identity(d, d);
  transition(0, 1) = transition(1, 1) = model.damping;
  noise(0, 0) = model.level;
  noise(1, 1) = model.slope;
  Eigen::MatrixXd prior = model.prior_waves * Eigen::MatrixXd::Identity(d, d);
  prior(0, 0) = StateSpace::kPriorLevel;
  prior(1, 1) = model.prior_slope;

  Eigen::VectorXd mean(n * d), state = Eigen::VectorXd::Zero(d);
  state(0) = *values.front();
  Eigen::MatrixXd covariance(n * d, n * d);
  for (Eigen::Index t = 0; t < n; ++t) {
    mean.segment(t * d, d) = state = transition * state;
    prior = transition * prior * transition.transpose() + noise;
    Eigen::MatrixXd with = prior;  // of this state and a later one
    for (Eigen::Index later = t; later < n; ++later, with = transition * with) {
      covariance.block(later * d, t * d, d, d) = with;
      covariance.block(t * d, later * d, d, d) = with.transpose();
    }
  }
  std::vector<Eigen::Index> seen;
  for (Eigen::Index t = 0; t < n; ++t)
    if (values[static_cast<std::size_t>(t)]) seen.push_back(t);
  const auto count = static_cast<Eigen::Index>(seen.size());
  Eigen::MatrixXd through = Eigen::MatrixXd::Zero(count, n * d);
  Eigen::VectorXd off(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    const Eigen::Index t = seen[static_cast<std::size_t>(i)];
    through(i, t * d) = 1;
    through.block(i, t * d + 2, 1, d - 2) = waves.at(t).transpose();
    off(i) = *values[static_cast<std::size_t>(t)] - through.row(i).dot(mean);
  }
  const Eigen::MatrixXd of_values =
      through * covariance * through.transpose() + Eigen::MatrixXd::Identity(count, count);
  const Eigen::VectorXd all = mean + covariance * through.transpose() * of_values.llt().solve(off);
  return all.tail(d);
}

void expect_exact(const StateSpace::Model& model, const Values& values) {
  const Eigen::VectorXd exact = posterior(model, values), found = filtered(model, values).state();
  ASSERT_EQ(found.size(), exact.size());
  for (Eigen::Index i = 0; i < exact.size(); ++i) EXPECT_NEAR(found(i), exact(i), 1e-8) << "state " << i;
}

TEST(StateSpace, IsTheExactPosterior) {
  expect_exact(kModel, {3, 4.5, 2, -1, 0.5, 6, 7, 3.2, 1, 2});
}

TEST(StateSpace, IsTheExactPosteriorOfWhatIsThere) {
  expect_exact(kModel, {3, {}, 2, -1, {}, {}, {}, 3.2, 1, {}});
}

TEST(StateSpace, KnowsLessTheLongerNothingCame) {
  StateSpace space = filtered(kModel, {3, 4, 2, 5, 3, 4});
  const Waves::Row now = Waves(kSeasons, 4, 2).at(6);
  double before = 0;
  for (int gap = 0; gap < 5; ++gap) {
    space.advance();
    EXPECT_GT(space.variance(now), before);
    before = space.variance(now);
  }
}

// Forgetting weighs a value that came k steps ago keep^k: the weighted least squares written out.
TEST(StateSpace, WithoutNoiseAndWithForgettingIsWeightedLeastSquares) {
  const Waves waves(kSeasons, 4, 2);
  const StateSpace::Model model{.keep = 0.9, .prior_slope = 1e6, .prior_waves = 1e6};
  Values values;
  for (int t = 0; t < 60; ++t) values.push_back(0.3 * t + 5 * std::cos(t) + t % 7);
  const Eigen::Index d = 2 + waves.count();
  Eigen::MatrixXd moments = Eigen::MatrixXd::Zero(d, d);
  Eigen::VectorXd cross = Eigen::VectorXd::Zero(d);
  for (int t = 0; t < 60; ++t) {
    Eigen::VectorXd row(d);
    row << 1, t - 59, waves.at(t);
    const double weight = std::pow(0.9, 59 - t);
    moments += weight * row * row.transpose();
    cross += weight * *values[static_cast<std::size_t>(t)] * row;
  }
  const Eigen::VectorXd exact = moments.llt().solve(cross), found = filtered(model, values).state();
  for (Eigen::Index i = 0; i < d; ++i) EXPECT_NEAR(found(i), exact(i), 1e-3) << "coefficient " << i;
}

TEST(StateSpace, StaysAsItIsOverALongTime) {
  const Waves waves(kSeasons, 4, 2);
  StateSpace space({.keep = 0.9995}, waves.count());
  const auto value = [&](long t) { return 100 + 20 * waves.at(t)(1) - 7 * waves.at(t)(4); };
  for (long t = 0; t < 200'000; ++t) {
    space.advance();
    space.learn(waves.at(t), value(t) - space.expected(waves.at(t)));
  }
  EXPECT_NEAR(StateSpace::ahead(space.state(), 1, 7, waves.at(200'006)), value(200'006), 1e-6);
  EXPECT_GT(space.variance(waves.at(0)), 1);
  EXPECT_LT(space.variance(waves.at(0)), 1.1);
}

TEST(Waves, AreSinesAndCosinesOfTheSeasons) {
  const Waves waves(kSeasons, 4, 2);
  ASSERT_EQ(waves.count(), 8) << "two pairs are all that five steps have";
  const double turn = 2 * std::acos(-1.0);
  const Waves::Row row = waves.at(1234);
  EXPECT_NEAR(row(2), std::cos(turn * 2 * 1234 / 5), 1e-9);
  EXPECT_NEAR(row(3), std::sin(turn * 2 * 1234 / 5), 1e-9);
  EXPECT_NEAR(row(7), std::sin(turn * 2 * 1234 / 15), 1e-9);
}

TEST(Waves, AreNoneOfASeasonTooShortForThem) {
  EXPECT_EQ(Waves({2, 0}, 4, 2).count(), 0);
  EXPECT_EQ(Waves({1, 0}, 4, 2).at(5).size(), 0);
  EXPECT_EQ(Waves({3, 0}, 4, 2).count(), 2);
}

}  // namespace
}  // namespace gnomon::forecast
