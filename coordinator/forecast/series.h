#pragma once
// A series on a regular grid, seen through a transform: the recent past, its level and its seasonal profiles. Pure.

#include <cstddef>
#include <vector>

namespace gnomon::forecast {

using Floats = std::vector<float>;

// The seasons in steps; long_one 0 when there is none, else a multiple of short_one (a day and a week).
struct Seasons {
  int short_one = 1;
  int long_one = 0;
  bool operator==(const Seasons&) const = default;
};

// y itself, or log(y + offset) for what grows and swings in proportion.
struct Transform {
  bool log = false;
  double offset = 0;
  double forward(double value) const;
  double inverse(double value) const;
};

class Series {
 public:
  // Remembers `capacity` values, a power of two.
  Series(Seasons seasons, Transform transform, int capacity);

  // The next step's value, in the series' own unit. A `typical` one teaches the profiles, others do not.
  void push(double value, bool typical);
  // Replaces a remembered value (transformed), so that later seasons do not repeat it.
  void heal(long step, double transformed);

  long size() const { return size_; }
  const Seasons& seasons() const { return seasons_; }
  const Transform& transform() const { return transform_; }
  bool has(long step) const { return step >= 0 && step < size_ && step >= size_ - capacity_; }
  // Transformed; the step must be there.
  double at(long step) const { return base_ + values_[slot(step)]; }
  // Mean of the short season that ends at `step`: the level without its seasons.
  double level(long step) const { return base_ + levels_[slot(step)]; }
  // Mean of the remembered steps in [first, last]; the level at `last` if none is.
  double mean(long first, long last) const;
  // Usual deviation from the level in the short or long season's phase of `step`, which may lie ahead; 0 if unknown.
  double profile(long step) const;
  double long_profile(long step) const;
  std::size_t bytes() const;

 private:
  std::size_t slot(long step) const { return static_cast<std::size_t>(step & (capacity_ - 1)); }

  Seasons seasons_;
  Transform transform_;
  long capacity_, size_ = 0;
  double base_ = 0;  // the first value: what is kept is the difference, so that single precision is enough
  Floats values_, levels_, profile_, long_profile_;
};

}  // namespace gnomon::forecast
