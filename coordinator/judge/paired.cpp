#include "coordinator/judge/paired.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>

namespace gnomon::judge {
namespace {

// How many of the averages, from either end, the interval leaves out: the largest count k with
// P(signed rank sum < k) <= (1 - confidence) / 2 if each difference is as likely above as below zero; 0 if there is
// none.
std::size_t left_out(std::size_t n, double confidence) {
  std::vector<double> chance{1};  // of each rank sum
  for (std::size_t rank = 1; rank <= n; ++rank) {
    std::vector<double> next(chance.size() + rank, 0);
    for (std::size_t sum = 0; sum < chance.size(); ++sum) {
      next[sum] += chance[sum] / 2;
      next[sum + rank] += chance[sum] / 2;
    }
    chance = std::move(next);
  }
  std::size_t count = 0;
  double below = 0;
  while (below + chance[count] <= (1 - confidence) / 2) below += chance[count++];
  return count;
}

}  // namespace

Interval mean_shift(const std::vector<double>& differences, double confidence) {
  const double n = static_cast<double>(differences.size());
  const double mean = std::accumulate(differences.begin(), differences.end(), 0.0) / n;
  if (differences.size() < 2) return {mean, mean, mean};
  double squares = 0;
  for (const double difference : differences) squares += (difference - mean) * (difference - mean);
  const double t = boost::math::quantile(boost::math::students_t(n - 1), (1 + confidence) / 2);
  const double half_width = t * std::sqrt(squares / (n - 1) / n);
  return {mean, mean - half_width, mean + half_width};
}

std::optional<Interval> signed_rank_shift(const std::vector<double>& differences, double confidence) {
  const std::size_t out = left_out(differences.size(), confidence);
  if (out == 0) return std::nullopt;
  std::vector<double> averages;
  for (std::size_t i = 0; i < differences.size(); ++i)
    for (std::size_t j = i; j < differences.size(); ++j) averages.push_back((differences[i] + differences[j]) / 2);
  std::ranges::sort(averages);
  const std::size_t middle = averages.size() / 2;
  const double median = averages.size() % 2 == 1 ? averages[middle] : (averages[middle - 1] + averages[middle]) / 2;
  return Interval{median, averages[out - 1], averages[averages.size() - out]};
}

}  // namespace gnomon::judge
