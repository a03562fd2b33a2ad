#pragma once
// A few sines and cosines of the seasons: what a smooth season is made of. Pure.

#include <Eigen/Core>

#include "coordinator/forecast/series.h"

namespace gnomon::forecast {

class Waves {
 public:
  static constexpr int kMostPairs = 6, kMost = 2 * kMostPairs;
  // Cosine and sine of each wave: as many as count() says, on the stack.
  using Row = Eigen::Matrix<double, Eigen::Dynamic, 1, 0, kMost, 1>;

  // So many pairs of each season's, at most kMostPairs in all, as far as the season has steps for them; the long
  // season's are those that the short one does not repeat.
  Waves(Seasons seasons, int short_pairs, int long_pairs);
  int count() const { return 2 * (short_pairs_ + long_pairs_); }
  Row at(long step) const;

 private:
  Seasons seasons_;
  int short_pairs_, long_pairs_ = 0;
};

}  // namespace gnomon::forecast
