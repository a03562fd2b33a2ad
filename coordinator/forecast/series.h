#pragma once
// A series on a regular grid, seen through a transform: the recent past, its level and its season's profile. Pure.

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
  // Remembers `capacity` values, a power of two, and the levels of as long as a season and a little more.
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
  double level(long step) const { return base_ + levels_[level_slot(step)]; }
  // Mean of the remembered steps in [first, last]; the level now if none is.
  double mean(long first, long last) const;
  // Deviation from the level in the season's phase of `step`, which may lie ahead; 0 if unknown. Usual: its mean over
  // up to 14 seasons. Recent: that of the last few. Smooth: the usual one's mean over the phases beside it.
  double usual_profile(long step) const { return usual_[phase(step)]; }
  double recent_profile(long step) const { return recent_[phase(step)]; }
  double smooth_profile(long step) const;
  // The value less the smooth profile.
  double adjusted(long step) const { return at(step) - smooth_profile(step); }
  // Exponential mean of the adjusted values up to `step`, one of the last 64, the newest with weight 2^-(k + 1).
  static constexpr int kMeans = 7;
  double adjusted_mean(long step, int k) const { return base_ + means_[mean_slot(step) + static_cast<std::size_t>(k)]; }
  std::size_t bytes() const;

 private:
  static constexpr int kMeansKept = 64;  // newest steps that are looked back from

  std::size_t slot(long step) const { return static_cast<std::size_t>(step & (capacity_ - 1)); }
  std::size_t level_slot(long step) const { return static_cast<std::size_t>(step) % levels_.size(); }
  std::size_t phase(long step) const { return static_cast<std::size_t>(step % seasons_.short_one); }
  std::size_t mean_slot(long step) const { return static_cast<std::size_t>(step % kMeansKept * kMeans); }
  void learn_level(long step);
  void learn_profiles(long step);
  void learn_means(long step);

  Seasons seasons_;
  Transform transform_;
  long capacity_, size_ = 0;
  double base_ = 0;  // the first value: what is kept is the difference, so that single precision is enough
  Floats values_, levels_, usual_, recent_, means_;
};

}  // namespace gnomon::forecast
