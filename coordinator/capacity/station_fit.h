#pragma once
// The station that explains a load test best: maximum a posteriori, with a Gaussian approximation of what else would
// do. Pure.

#include <Eigen/Cholesky>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/capacity/load_test.h"
#include "coordinator/capacity/station.h"

namespace gnomon::capacity {

struct StationFit {
  int servers = 1;
  bool interrupted = false;  // whether interruptions are part of the model
  bool coupled = true;       // whether the busy share is that of the servers (Little's law holds as measured)
  Eigen::VectorXd parameters;
  // About one standard error aside along each axis of the uncertainty, by pairs of the two sides.
  std::vector<Eigen::VectorXd> asides;
  double loss = 0;                       // -2 log posterior density, up to a constant
  double busy_mean = 0, pause_mean = 0;  // of the priors
  double misfit = 0;                     // squared residuals in standard errors, over their number

  Station station(const Eigen::VectorXd& at) const;
  Station station() const { return station(parameters); }
};

// Points below saturation only. The number of servers, whether there are interruptions and whether the busy share is
// the servers' are compared by Laplace's approximation of the evidence.
absl::StatusOr<StationFit> fit_station(const std::vector<LoadPoint>& points);

}  // namespace gnomon::capacity
