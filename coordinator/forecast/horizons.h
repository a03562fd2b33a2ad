#pragma once
// The horizons that models are learnt for, and which of them stand in for another one. Pure.

#include <cstddef>
#include <vector>

namespace gnomon::forecast {

// Ascending, in steps, none over `longest`. Where a season is short enough for each of its parts to behave in its own
// way, six a season for two seasons, and those beside whole seasons, where what the origin tells changes.
std::vector<int> learnt_horizons(int season, int longest);

// Two of the learnt horizons, by index: `share` of the way from near to far.
struct Between {
  std::size_t near, far;
  double share;
};
// Of the first `count` learnt horizons those that `horizon` lies between, within its own season.
Between between(const std::vector<int>& learnt, std::size_t count, int season, int horizon);

// For these, and shorter ones, each step is learnt from.
inline constexpr int kLongestLag = 48;

}  // namespace gnomon::forecast
