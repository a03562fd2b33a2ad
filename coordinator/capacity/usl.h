#pragma once
// The universal scalability law (Gunther, "Guerrilla Capacity Planning", 2007): throughput at load N (clients, threads
// or processors) is X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1)). Pure.

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/capacity/estimate.h"

namespace gnomon::capacity {

struct Measurement {
  double load = 0, throughput = 0;  // any unit of throughput
};

struct Usl {
  Estimate alpha;             // contention: the share that is serial; at least 0
  Estimate beta;              // coherency: the cost of agreeing, by pairs; at least 0
  Estimate gamma;             // throughput of one
  double residual_error = 0;  // standard error of a measurement about the curve, in throughput
  int degrees_of_freedom = 0;
  // Where throughput is highest, and how high. Nothing where the data do not show that it falls again: beta's interval
  // has 0 in it, or the peak's interval ends beyond 10 times the highest load tested.
  std::optional<Estimate> peak_load;
  std::optional<double> peak_throughput;
  // What contention alone would leave as the limit, gamma / alpha; nothing where alpha's interval has 0 in it.
  std::optional<double> contention_limit;

  double throughput(double load) const;
};

// Least squares in throughput with alpha, beta >= 0: Levenberg-Marquardt from the linear fit of N / X on each set of
// bounds that may be active, the best admissible one kept. Intervals are those of nonlinear regression (Student's t,
// covariance s^2 (J'J)^-1), cut at 0. Measurements that are not finite or not positive are left out. InvalidArgument
// with fewer than four of them or three different loads: three parameters and an error cannot be told from less.
absl::StatusOr<Usl> fit_usl(const std::vector<Measurement>& measurements);

// The value that Student's t with `degrees` >= 1 exceeds on either side with probability 1 - `level` in all.
double student_t(int degrees, double level);

}  // namespace gnomon::capacity
