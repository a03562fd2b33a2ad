#pragma once
// What a model's curve misses by, as a Gaussian process (Rasmussen & Williams 2006, algorithm 2.1). Pure.

#include <Eigen/Cholesky>
#include <vector>

namespace gnomon::capacity {

struct Miss {
  double at = 0;        // coordinate
  double residual = 0;  // measured less modelled
  double error = 0;     // standard error of the measurement, above 0
};

// Squared-exponential kernel of the given amplitude and length, mean 0: far from every point the correction is 0 and
// its error the amplitude.
class Discrepancy {
 public:
  Discrepancy() = default;
  Discrepancy(const std::vector<Miss>& misses, double amplitude, double length);
  double mean(double at) const;
  double error(double at) const;

 private:
  Eigen::VectorXd kernel(double at) const;

  double amplitude_ = 0, length_ = 1;
  Eigen::VectorXd at_, weights_;
  Eigen::LLT<Eigen::MatrixXd> covariance_;
};

}  // namespace gnomon::capacity
