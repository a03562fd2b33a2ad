#include "coordinator/forecast/decomposition.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kSeasonRate = 1.0 / 10, kLongSeasonRate = 0.25;  // per season seen
constexpr long kSmoothing = 96;        // a season is smoothed over as many parts of it to each side
constexpr double kOutlier = 3;         // of the usual size: what goes beyond teaches no more than that
constexpr double kTrendShare = 0.1;    // of a level's gain, where there is a trend
constexpr double kDamping = 0.98;      // of the trend, per step
constexpr double kMemory = 300;        // steps by which gains are chosen
constexpr double kLeastWeight = 1e-3;  // of the best
constexpr double kMaxCorrelation = 0.99;
constexpr std::array kLevelGains = {0.02, 0.08, 0.25, 0.6, 0.95};

}  // namespace

Decomposition::Decomposition(Seasons seasons)
    : seasons_(seasons),
      season_(static_cast<std::size_t>(seasons.short_one), 0),
      long_season_(static_cast<std::size_t>(seasons.long_one), 0) {}

double Decomposition::Filter::correlation() const {
  return square > 0 ? std::clamp(product / square, 0.0, kMaxCorrelation) : 0;
}

double Decomposition::seasonal(long step) const {
  const long season = seasons_.short_one, reach = season / kSmoothing;
  double sum = 0;
  for (long i = step - reach; i <= step + reach; ++i) {
    sum += season_[static_cast<std::size_t>((i + season) % season)];
    if (!long_season_.empty())
      sum += long_season_[static_cast<std::size_t>((i + seasons_.long_one) % seasons_.long_one)];
  }
  return sum / static_cast<double>(2 * reach + 1);
}

// The trend is the mean over a season around a step, so a step is learnt from half a season later.
void Decomposition::learn_seasons(const Series& series) {
  const long season = seasons_.short_one, newest = series.size() - 1;
  if (newest < season - 1) return;
  const double trend = series.level(newest);
  if (newest == season - 1) {
    for (long i = 0; i < season; ++i) {
      season_[static_cast<std::size_t>(i)] = static_cast<float>(series.at(i) - trend);
    }
    for (Filter& filter : filters_) filter = {.level = trend};  // until now it followed the season
    spread_ = 0;
    return;
  }
  const long middle = newest - season / 2, seen = middle / season;
  float& phase = season_[static_cast<std::size_t>(middle % season)];
  const double around = long_season_.empty() ? 0 : long_season_[static_cast<std::size_t>(middle % seasons_.long_one)];
  double off = series.at(middle) - trend - around - phase;
  const double rate = 1 / static_cast<double>(++learnt_);
  const bool known = learnt_ > season && remainder_ > 0;  // of a silence nothing is known of what may come
  const double size = known ? std::min(std::abs(off), 2 * kOutlier * remainder_) : std::abs(off);
  remainder_ += std::max(rate, 1.0 / static_cast<double>(4 * season)) * (size - remainder_);
  if (known) off = std::clamp(off, -kOutlier * remainder_, kOutlier * remainder_);
  const double gain = std::max(kSeasonRate, 1 / static_cast<double>(seen + 2));
  phase += static_cast<float>(gain * off);
  if (long_season_.empty() || middle < 2 * season) return;
  const double weeks = static_cast<double>(middle / seasons_.long_one);
  long_season_[static_cast<std::size_t>(middle % seasons_.long_one)] +=
      static_cast<float>(std::max(kLongSeasonRate, 1 / (weeks + 2)) * (1 - gain) * off);
}

void Decomposition::smooth(double adjusted, bool typical) {
  const double rate = std::max(1 / kMemory, 1 / static_cast<double>(count_));
  const bool bounded = count_ > 2 * seasons_.short_one && spread_ > 0;
  double least = 0;
  for (std::size_t i = 0; i < kFilters; ++i) {
    Filter& filter = filters_[i];
    const double gain = std::max(kLevelGains[i % kGains], 1 / static_cast<double>(count_));
    const double trend_gain = i < kGains ? 0 : kTrendShare * gain;
    if (count_ == 1) filter.level = adjusted;
    const double expected = filter.level + kDamping * filter.slope, raw = adjusted - expected;
    const double limit = kOutlier * 1.5 * spread_;
    const double error = bounded ? std::clamp(raw, -limit, limit) : raw;
    if (typical) {
      const double carried = filter.correlation() * filter.error;
      const double miss = std::abs(raw - carried);
      filter.loss += rate * ((bounded ? std::min(miss, 10 * spread_) : miss) - filter.loss);
      filter.product += rate * (error * filter.error - filter.product);
      filter.square += rate * (filter.error * filter.error - filter.square);
    }
    filter.level = expected + gain * error;
    filter.slope = kDamping * filter.slope + trend_gain * error;
    filter.error = (1 - gain) * error;
    least = i == 0 ? filter.loss : std::min(least, filter.loss);
  }
  spread_ = least;
}

// In proportion to the likelihood of Laplacian errors over the memory.
void Decomposition::weigh() {
  const double steps = std::min(static_cast<double>(count_), kMemory);
  double sum = 0;
  for (Filter& filter : filters_) {
    const double share = filter.loss > 0 ? std::exp(steps * std::log(spread_ / filter.loss)) : 1;
    filter.weight = share < kLeastWeight ? 0 : share;
    sum += filter.weight;
  }
  for (Filter& filter : filters_) filter.weight /= sum;
}

void Decomposition::observe(const Series& series, bool typical) {
  ++count_;
  learn_seasons(series);
  const long newest = series.size() - 1;
  smooth(series.at(newest) - seasonal(newest), typical);
  weigh();
}

double Decomposition::forecast(int horizon) const {
  if (count_ == 0) return 0;
  const double damped = kDamping * (1 - std::pow(kDamping, horizon)) / (1 - kDamping);
  double sum = 0;
  for (const Filter& filter : filters_) {
    if (filter.weight == 0) continue;
    const double correlation = filter.correlation();
    const double carried = correlation > 0 ? std::pow(correlation, horizon) * filter.error : 0;
    sum += filter.weight * (filter.level + damped * filter.slope + carried);
  }
  return sum + seasonal(count_ - 1 + horizon);
}

}  // namespace gnomon::forecast
