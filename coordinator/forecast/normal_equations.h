#pragma once
// Least squares that forgets: X'X and X'y of weighted rows, kept in single precision, solved with a ridge. Pure.

#include <vector>

#include "coordinator/forecast/series.h"

namespace gnomon::forecast {

class NormalEquations {
 public:
  explicit NormalEquations(int dimension);

  // Adds a row of `dimension` values with `weight`, after all earlier rows have lost 1 - `keep` of theirs.
  void add(const float* row, double target, double weight, double keep);

  // The coefficients that minimise the rows' weighted squared error plus a penalty worth `pseudo_rows` rows: on each
  // coefficient by its own column's mean square, and by the columns' common one with weight `common`. Zeros while there
  // are fewer than five rows.
  std::vector<float> solve(double pseudo_rows, double common) const;

  double rows() const { return rows_; }
  std::size_t bytes() const { return (moments_.size() + cross_.size()) * sizeof(float); }

 private:
  int dimension_;
  double rows_ = 0;  // what the forgetting has left of them
  Floats moments_;   // lower triangle by rows
  Floats cross_;
};

}  // namespace gnomon::forecast
