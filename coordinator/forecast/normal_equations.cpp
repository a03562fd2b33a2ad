#include "coordinator/forecast/normal_equations.h"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

namespace gnomon::forecast {

NormalEquations::NormalEquations(int dimension)
    : dimension_(dimension),
      moments_(static_cast<std::size_t>(dimension * (dimension + 1) / 2), 0),
      cross_(static_cast<std::size_t>(dimension), 0) {}

void NormalEquations::add(const float* row, double target, double weight, double keep) {
  const auto kept = static_cast<float>(keep);
  const Eigen::Map<const Eigen::VectorXf> values(row, dimension_);
  float* moment = moments_.data();
  for (int i = 0; i < dimension_; ++i) {
    Eigen::Map<Eigen::VectorXf> products(moment, i + 1);
    products = kept * products + static_cast<float>(weight) * values(i) * values.head(i + 1);
    moment += i + 1;
  }
  Eigen::Map<Eigen::VectorXf> cross(cross_.data(), dimension_);
  cross = kept * cross + static_cast<float>(weight * target) * values;
  rows_ = rows_ * keep + 1;
}

std::vector<float> NormalEquations::solve(double pseudo_rows, double common) const {
  std::vector<float> coefficients(static_cast<std::size_t>(dimension_), 0.0f);
  if (rows_ < 5) return coefficients;
  Eigen::MatrixXd matrix(dimension_, dimension_);
  Eigen::VectorXd right(dimension_);
  std::size_t at = 0;
  double trace = 0;
  for (int i = 0; i < dimension_; ++i) {
    for (int j = 0; j <= i; ++j) matrix(i, j) = moments_[at++];
    right(i) = cross_[static_cast<std::size_t>(i)];
    trace += matrix(i, i) / dimension_;
  }
  const double share = pseudo_rows / rows_;
  for (int i = 0; i < dimension_; ++i)
    matrix(i, i) += share * (matrix(i, i) + common * trace) + 1e-6 * trace + std::numeric_limits<double>::min();
  const Eigen::LDLT<Eigen::MatrixXd> factor(matrix);
  const Eigen::VectorXd solution = factor.solve(right);
  if (!solution.allFinite()) return coefficients;
  for (int i = 0; i < dimension_; ++i) coefficients[static_cast<std::size_t>(i)] = static_cast<float>(solution(i));
  return coefficients;
}

}  // namespace gnomon::forecast
