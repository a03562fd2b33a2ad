#include "coordinator/forecast/state_space.h"

#include <cmath>

namespace gnomon::forecast {
namespace {

// What a value is seen through: the level and the waves.
StateSpace::State seen_through(const Waves::Row& waves) {
  StateSpace::State row(2 + waves.size());
  row << 1, 0, waves;
  return row;
}

}  // namespace

StateSpace::StateSpace(Model model, int waves)
    : model_(model),
      state_(State::Zero(2 + waves)),
      covariance_(static_cast<std::size_t>((2 + waves) * (3 + waves) / 2), 0) {
  covariance(0, 0) = kPriorLevel;
  covariance(1, 1) = model.prior_slope;
  for (int i = 2; i < 2 + waves; ++i) covariance(i, i) = model.prior_waves;
}

void StateSpace::advance() {
  const double damping = model_.damping;
  state_(1) *= damping;
  state_(0) += state_(1);
  // The slope is damped, then added to the level.
  covariance(1, 0) *= damping;
  covariance(1, 1) *= damping * damping;
  covariance(0, 0) += 2 * covariance(1, 0) + covariance(1, 1);
  covariance(1, 0) += covariance(1, 1);
  for (Eigen::Index i = 2; i < state_.size(); ++i) {
    covariance(i, 1) *= damping;
    covariance(i, 0) += covariance(i, 1);
  }
  covariance(0, 0) += model_.level;
  covariance(1, 1) += model_.slope;
  for (Eigen::Index i = 2; i < state_.size(); ++i) covariance(i, i) += model_.waves;
}

StateSpace::State StateSpace::along(const Waves::Row& waves) const {
  const State row = seen_through(waves);
  State out = State::Zero(row.size());
  const double* one = covariance_.data();
  for (Eigen::Index i = 0; i < row.size(); ++i) {
    for (Eigen::Index j = 0; j < i; ++j, ++one) {
      out(i) += *one * row(j);
      out(j) += *one * row(i);
    }
    out(i) += *one++ * row(i);
  }
  return out;
}

double StateSpace::expected(const Waves::Row& waves) const {
  return state_(0) + state_.tail(waves.size()).dot(waves);
}

double StateSpace::variance(const Waves::Row& waves) const {
  return 1 + along(waves).dot(seen_through(waves));
}

void StateSpace::learn(const Waves::Row& waves, double innovation) {
  if (model_.keep < 1)
    for (double& one : covariance_) one /= model_.keep;
  const State along = this->along(waves);
  const double variance = 1 + along.dot(seen_through(waves));
  state_ += innovation / variance * along;
  double* one = covariance_.data();
  for (Eigen::Index i = 0; i < along.size(); ++i)
    for (Eigen::Index j = 0; j <= i; ++j) *one++ -= along(i) * along(j) / variance;
}

double StateSpace::ahead(const State& state, double damping, int horizon, const Waves::Row& waves) {
  const double steps = damping < 1 ? damping * (1 - std::pow(damping, horizon)) / (1 - damping) : horizon;
  return state(0) + steps * state(1) + state.tail(waves.size()).dot(waves);
}

}  // namespace gnomon::forecast
