#pragma once
// The centre of differences that are symmetric around it, with limits that may be looked at after every one of them.

#include <cstddef>
#include <vector>

namespace gnomon::session {

// Pure. A bet of size b on a difference of u scales above a supposed centre is exp(b u) / cosh(b u), which is 1 on
// average if the centre is right, and less if it lies lower, whatever the distribution and however it changes (de la
// Pena 1999); the product of a mixture of bets ever reaches 1 / level with probability at most level (Ville 1939).
// What is not rejected so is a confidence sequence (Howard, Ramdas, McAuliffe and Sekhon 2021). The scale of a
// difference is the mean distance of those before it. A difference doubles a bet at most: below six of them nothing is
// told at a level of 2.5%.
class Centre {
 public:
  // `typical`: a distance to begin with, in the differences' unit; above 0.
  explicit Centre(double typical) : typical_(typical) {}

  void add(double difference);  // finite
  std::size_t count() const { return differences_.size(); }
  double estimate() const;  // the median; 0 without any

  // The centre is below low(), or above high(), with probability at most `level` each, at all times together. Infinite
  // while there is too little to tell.
  double low(double level) const;
  double high(double level) const;
  bool above(double value, double level) const;  // low(level) > value, at less cost

 private:
  double log_wealth(double centre, int sign) const;
  double limit(double level, int sign) const;

  const double typical_;
  std::vector<double> differences_, scales_;
  double mean_ = 0, distances_ = 0;
};

}  // namespace gnomon::session
