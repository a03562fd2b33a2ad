#include "coordinator/forecast/forecaster.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "coordinator/forecast/seasonality.h"

namespace gnomon::forecast {
namespace {

constexpr double kMiss = 0.025;  // on either side
constexpr int kDays = 7;
constexpr long kLongestGap = 4096;
constexpr std::size_t kEarly = 24;  // steps before the scale of a series is chosen
constexpr int kLongestSeason = 1440, kLongestLongSeason = 2016;
constexpr double kMost = 1e9, kMostValue = 1e300;  // in units, whose squares single precision holds; as they come
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Forecaster::Forecaster(Options options)
    : options_(options), max_horizon_(std::max(1, static_cast<int>(options.longest / options.step))) {}
Forecaster::~Forecaster() = default;
Forecaster::Forecaster(Forecaster&&) noexcept = default;
Forecaster& Forecaster::operator=(Forecaster&&) noexcept = default;

void Forecaster::observe(Seconds time, double value) {
  const double position = std::floor(time / options_.step + 1e-9);
  if (!(std::abs(position) < 1e15)) return;
  const long step = static_cast<long>(position);
  if (!std::isfinite(value) && !started_) return;
  if (!started_ || step - step_ > kLongestGap) {
    ensemble_.reset();
    early_.clear();
    seen_ = sum_ = count_ = 0;
    started_ = true;
    step_ = step;
  }
  if (step < step_) return;
  while (step_ < step) close_step();
  if (!std::isfinite(value)) return;
  sum_ += std::clamp(value, -kMostValue, kMostValue);
  ++count_;
}

void Forecaster::close_step() {
  advance(count_ > 0 ? sum_ / count_ : kMissing);
  sum_ = count_ = 0;
  ++step_;
}

int Forecaster::season_now(const std::vector<double>& values) const {
  if (options_.season > 0) return options_.season;
  const int day = std::clamp(static_cast<int>(std::lround(86400 / options_.step.count())), 2, kLongestSeason);
  return std::max(2, find_season(values, day));
}

void Forecaster::advance(double value) {
  ++seen_;
  if (!ensemble_) {
    early_.push_back(value);
    if (early_.size() >= kEarly) rebuild({season_now(early_), 0}, std::exchange(early_, {}));
    return;
  }
  ensemble_->observe(in_units(value));
  const long size = ensemble_->size();
  const bool grown = size >= 64 && (size & (size - 1)) == 0;  // looked at whenever the history has doubled
  const int wished = options_.long_season > 0 ? options_.long_season : kDays * seasons_.short_one;
  const bool longer = seasons_.long_one == 0 && wished <= kLongestLongSeason && size == 2L * wished;
  if (!grown && !longer) return;
  std::vector<double> values;
  for (long i = std::max(0L, size - kLongestGap); i < size; ++i) values.push_back(unit_ * ensemble_->remembered(i));
  Seasons seasons = seasons_;
  if (grown && size <= kLongestGap) seasons.short_one = season_now(values);
  if (seasons.short_one != seasons_.short_one) seasons.long_one = 0;
  if (longer && wished % seasons.short_one == 0) seasons.long_one = wished;
  if (seasons != seasons_) rebuild(seasons, std::move(values));
}

double Forecaster::in_units(double value) const {
  return std::isnan(value) ? value : std::clamp(value / unit_, -kMost, kMost);
}

void Forecaster::rebuild(Seasons seasons, std::vector<double> values) {
  double lowest = std::numeric_limits<double>::infinity(), mean = 0, size = 0;
  const double found =
      static_cast<double>(std::count_if(values.begin(), values.end(), [](double value) { return !std::isnan(value); }));
  for (const double value : values) {
    if (std::isnan(value)) continue;
    lowest = std::min(lowest, value);
    mean += value / found;
    size += std::abs(value) / found;
  }
  const bool positive = lowest >= 0 && mean > 0;
  unit_ = size > 0 ? std::exp2(std::clamp(std::floor(std::log2(size)), -900.0, 900.0)) : 1;
  seasons_ = seasons;
  ensemble_ = std::make_unique<Ensemble>(seasons, positive, lowest > 0.05 * mean ? 0 : 0.02 * in_units(mean),
                                         max_horizon_, kMiss);
  for (const double value : values) ensemble_->observe(in_units(value));
}

Forecast Forecaster::forecast(int steps) const {
  Forecast out;
  if (!started_) return out;
  // The open step counts as it stands.
  const Ensemble* ensemble = ensemble_.get();
  Forecaster ahead(options_);
  if (count_ > 0) {
    ahead.seasons_ = seasons_;
    ahead.unit_ = unit_;
    ahead.early_ = early_;
    if (ensemble_) ahead.ensemble_ = std::make_unique<Ensemble>(*ensemble_);
    ahead.advance(sum_ / count_);
    ensemble = ahead.ensemble_.get();
  }
  const long next = count_ > 0 ? step_ + 1 : step_;
  out.first = static_cast<double>(next) * options_.step;
  out.step = options_.step;
  if (ensemble) {
    out.steps = ensemble->forecast(steps);
    const double unit = count_ > 0 ? ahead.unit_ : unit_;
    for (Step& one : out.steps) one = {unit * one.yhat, unit * one.lo, unit * one.hi};
    out.confidence = std::min(1.0, ensemble->experience() / (2.0 * seasons_.short_one));
    return out;
  }
  const std::vector<double>& early = count_ > 0 ? ahead.early_ : early_;
  double last = 0, low = 0, high = 0;
  bool any = false;
  for (const double value : early) {
    if (std::isnan(value)) continue;
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    last = value;
    any = true;
  }
  // So little seen says little: from nothing at all (for what is never negative) to twice what there was.
  const double reach = (high - low) + std::abs(last);
  const Step step{last, low >= 0 ? std::max(0.0, last - reach) : last - reach, last + reach};
  out.steps.assign(static_cast<std::size_t>(std::max(0, steps)), step);
  return out;
}

std::size_t Forecaster::bytes() const {
  return sizeof *this + early_.capacity() * sizeof(double) + (ensemble_ ? ensemble_->bytes() : 0);
}

}  // namespace gnomon::forecast
