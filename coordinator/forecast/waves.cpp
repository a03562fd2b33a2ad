#include "coordinator/forecast/waves.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gnomon::forecast {
namespace {

void add(Waves::Row& row, Eigen::Index& next, int pairs, long step, int season) {
  if (pairs == 0) return;
  const double turn = 2 * std::numbers::pi * static_cast<double>(step % season) / season;
  const double cosine = std::cos(turn), sine = std::sin(turn);
  double c = cosine, s = sine;
  for (int i = 0; i < pairs; ++i) {
    row(next++) = c;
    row(next++) = s;
    const double before = c;
    c = before * cosine - s * sine;
    s = s * cosine + before * sine;
  }
}

}  // namespace

Waves::Waves(Seasons seasons, int short_pairs, int long_pairs)
    : seasons_(seasons), short_pairs_(std::clamp((seasons.short_one - 1) / 2, 0, short_pairs)) {
  if (seasons.long_one > 0) long_pairs_ = std::clamp(seasons.long_one / seasons.short_one - 1, 0, long_pairs);
}

Waves::Row Waves::at(long step) const {
  Row row(count());
  Eigen::Index next = 0;
  add(row, next, short_pairs_, step, seasons_.short_one);
  add(row, next, long_pairs_, step, seasons_.long_one);
  return row;
}

}  // namespace gnomon::forecast
