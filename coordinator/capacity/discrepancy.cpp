#include "coordinator/capacity/discrepancy.h"

#include <algorithm>
#include <cmath>

namespace gnomon::capacity {

Discrepancy::Discrepancy(const std::vector<Miss>& misses, double amplitude, double length)
    : amplitude_(amplitude), length_(length) {
  const auto count = static_cast<Eigen::Index>(misses.size());
  at_.resize(count);
  Eigen::VectorXd residuals(count);
  for (Eigen::Index i = 0; i < count; ++i) {
    at_[i] = misses[static_cast<std::size_t>(i)].at;
    residuals[i] = misses[static_cast<std::size_t>(i)].residual;
  }
  Eigen::MatrixXd covariance(count, count);
  for (Eigen::Index i = 0; i < count; ++i) {
    covariance.col(i) = kernel(at_[i]);
    covariance(i, i) += std::pow(misses[static_cast<std::size_t>(i)].error, 2);
  }
  if (count == 0) return;
  covariance_.compute(covariance);
  weights_ = covariance_.solve(residuals);
}

Eigen::VectorXd Discrepancy::kernel(double at) const {
  const Eigen::ArrayXd apart = (at_.array() - at) / length_;
  return amplitude_ * amplitude_ * (-apart.square() / 2).exp();
}

double Discrepancy::mean(double at) const {
  return at_.size() == 0 ? 0 : kernel(at).dot(weights_);
}

double Discrepancy::error(double at) const {
  if (at_.size() == 0) return amplitude_;
  const Eigen::VectorXd here = kernel(at);
  return std::sqrt(std::max(0.0, amplitude_ * amplitude_ - here.dot(covariance_.solve(here))));
}

}  // namespace gnomon::capacity
