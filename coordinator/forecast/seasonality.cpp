#include "coordinator/forecast/seasonality.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kClear = 0.5;  // an autocorrelation that says: a season

// Ranks scaled to [-1, 1]: a bounded, robust stand-in for the values. Missing ones are 0.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<double> sorted;
  for (const double value : values)
    if (!std::isnan(value)) sorted.push_back(value);
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> out;
  for (const double value : values) {
    if (std::isnan(value) || sorted.empty()) {
      out.push_back(0);
      continue;
    }
    const auto low = std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    const auto high = std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin();
    out.push_back(static_cast<double>(low + high) / static_cast<double>(sorted.size()) - 1);
  }
  return out;
}

double correlation(const std::vector<double>& values, std::size_t lag) {
  double product = 0, square = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    square += values[i] * values[i];
    if (i >= lag) product += values[i] * values[i - lag];
  }
  const double share = static_cast<double>(values.size() - lag) / static_cast<double>(values.size());
  return square > 0 ? product / square / share : 0;
}

}  // namespace

int find_season(const std::vector<double>& values, int usual) {
  const std::vector<double> ranked = ranks(values);
  const std::size_t longest = std::min<std::size_t>(ranked.size() / 3, 400);
  std::vector<double> found{1};
  for (std::size_t lag = 1; lag <= longest; ++lag) found.push_back(correlation(ranked, lag));
  if (static_cast<std::size_t>(usual) < found.size() && found[static_cast<std::size_t>(usual)] > kClear) return usual;
  int best = usual;
  double most = kClear;
  for (std::size_t lag = 4; lag + 1 < found.size(); ++lag) {
    const bool peak = found[lag] > found[lag - 1] && found[lag] >= found[lag + 1];
    const double dip = *std::min_element(found.begin(), found.begin() + static_cast<long>(lag));
    if (peak && found[lag] > most + 0.02 && dip < found[lag] - 0.3) {
      most = found[lag];
      best = static_cast<int>(lag);
    }
  }
  // A part of the usual season is seen by it, and the usual one may hold more.
  return usual % best == 0 ? usual : best;
}

}  // namespace gnomon::forecast
