#pragma once
// How rare a statistic is in its own series: what makes scores of different series comparable.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace gnomon::detect {

// Tail probability against a decayed histogram over the statistic's logarithm (28 bins a decade, 1e-4 to 3e4). Beyond
// the upper 4% (at least 5 observations) it goes on as a Pareto tail, as 4% of few observations say nothing about rarer
// events: not with Hill's estimate of its index (Annals of Statistics, 1975) put in, but as the predictive
// distribution, which is heavier the fewer observations that estimate rests on.
class TailCalibrator {
 public:
  explicit TailCalibrator(double life);  // observations after which an old one counts 1/e
  // -log10 of the probability of a statistic at least as large as x >= 0, of those added so far. 0 to about 15.
  double surprise(double x) const { return surprise(x, bin(x)); }
  void add(double x);
  // The surprise, before x is added.
  double push(double x) {
    const double out = surprise(x);
    add(x);
    return out;
  }

 private:
  static constexpr std::size_t kBins = 240;
  static std::size_t bin(double x);
  double surprise(double x, std::size_t at) const;

  std::array<double, kBins> weight_{};
  double total_ = 0, unit_ = 1, growth_;  // newer observations weigh more, instead of all older ones less
};

// A tail probability that drifts, or goes on in another way than it was taken to, set right by how often such
// probabilities have come true so far: at nine levels, the share of the past that reached them.
class SurpriseCalibrator {
 public:
  // surprise and result are -log10 of a tail probability; judged before it is added.
  double push(double surprise);

 private:
  static constexpr std::size_t kLevels = 9;  // 0 to 4
  std::array<double, kLevels> reached_{};
  double total_ = 0;
};

// How long ago something at least as large was seen: under exchangeability one observation in g is the largest of g.
// Looks back kHorizon observations at most.
class Recurrence {
 public:
  static constexpr std::int64_t kHorizon = 3000;
  std::int64_t push(double x);

 private:
  struct Peak {
    std::int64_t at;
    double value;
  };
  std::deque<Peak> peaks_;  // falling values, rising times
  std::int64_t now_ = -1;
};

}  // namespace gnomon::detect
