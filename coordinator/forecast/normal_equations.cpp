#include "coordinator/forecast/normal_equations.h"

#include <Eigen/Cholesky>
#include <cmath>
#include <limits>

namespace gnomon::forecast {

NormalEquations::NormalEquations(int dimension)
    : dimension_(dimension),
      moments_(static_cast<std::size_t>(dimension * (dimension + 1) / 2), 0),
      cross_(static_cast<std::size_t>(dimension), 0) {}

void NormalEquations::add(const double* row, double target, double weight, double keep) {
  const auto kept = static_cast<float>(keep);
  const std::vector<float> values(row, row + dimension_);
  float* moment = moments_.data();
  for (int i = 0; i < dimension_; ++i) {
    const auto scaled = static_cast<float>(weight * row[i]);
    for (int j = 0; j <= i; ++j) moment[j] = moment[j] * kept + scaled * values[static_cast<std::size_t>(j)];
    moment += i + 1;
    const auto column = static_cast<std::size_t>(i);
    cross_[column] = cross_[column] * kept + scaled * static_cast<float>(target);
  }
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
