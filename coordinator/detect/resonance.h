#pragma once
// What a series has been like, as a bounded set of boxes, and how far something is from all of them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gnomon::detect {

// Online categories in the manner of fuzzy adaptive resonance (Carpenter, Grossberg and Rosen, Neural Networks 1991): a
// category is a box; a vector resonates with the nearest box if that, grown to hold it, stays small enough, and founds
// a new one otherwise. At most kMost boxes; the one that was longest without resonance makes room.
class Categories {
 public:
  static constexpr std::size_t kDimensions = 4, kMost = 200;
  using Vector = std::array<double, kDimensions>;
  enum class Distance { kSum, kLargest };  // over dimensions

  // size: greatest sum of a box's sides, in units of the scales.
  Categories(double size, Distance distance) : size_(size), distance_(distance) {}
  // Distance from the nearest box, in units of the scales (all > 0), before the vector is learnt; 0 at first.
  double push(const Vector& vector, const Vector& scale);

 private:
  struct Box {
    Vector low, high;
    std::int64_t last;
  };
  double outside(const Box& box, const Vector& vector, const Vector& per_scale) const;
  void found(const Vector& vector);

  std::vector<Box> boxes_;
  double size_;
  Distance distance_;
  std::int64_t now_ = 0;
};

}  // namespace gnomon::detect
