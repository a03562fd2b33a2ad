#include "coordinator/forecast/members.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gnomon::forecast {
namespace {

constexpr int kRefit = 12;  // steps from one fit to the next
constexpr int kRecentSeasons = 6;
constexpr Gains kGains[] = {{0.02, 0.05, false}, {0.02, 0.2, false}, {0.2, 0.1, false},
                            {0.9, 0.03, false},  {0.01, 0.1, true},  {0.05, 0.2, true}};

}  // namespace

Members::Members(Seasons seasons, Transform transform, int capacity, std::vector<int> learnt)
    : series_(seasons, transform, capacity),
      learnt_(std::move(learnt)),
      decomposition_(seasons),
      harmonic_(seasons),
      structural_(seasons),
      lag_models_(learnt_.size()) {
  for (const Gains& gains : kGains)
    if (!gains.with_long_season || seasons.long_one > 0) smoothers_.emplace_back(gains, seasons);
}

void Members::learn(double value) {
  const double actual = series_.transform().forward(value);
  for (std::size_t i = 0; i < lag_models_.size(); ++i) {
    const long origin = series_.size() - learnt_[i];
    // Before a season has been seen, what was known at the origin is unlike what will be.
    if (origin >= series_.seasons().short_one) lag_models_[i].learn(features(series_, origin, learnt_[i]), actual);
  }
}

void Members::push(double value, bool typical) {
  series_.push(value, typical);
  decomposition_.observe(series_, typical);
  const double transformed = series_.at(series_.size() - 1);
  harmonic_.observe(transformed, typical);
  structural_.observe(transformed, typical);
  for (HoltWinters& smoother : smoothers_) smoother.observe(transformed, typical);
  for (std::size_t i = 0; i < lag_models_.size(); ++i)
    if ((series_.size() + static_cast<long>(i)) % kRefit == 0) lag_models_[i].solve();
}

// The mean of the target's phase over recent seasons, with the origin's deviation from its own fading.
double Members::after_recent_seasons(int horizon) const {
  const long season = series_.seasons().short_one, origin = series_.size() - 1, reach = std::max(1L, season / 96);
  const auto mean = [&](long step) {
    double sum = 0;
    int found = 0;
    for (; found < kRecentSeasons && series_.has(step); step -= season, ++found)
      sum += series_.mean(step - reach, std::min(step + reach, origin));
    return found > 0 ? sum / found : series_.level(origin);
  };
  const double fade = std::pow(0.5, 4.0 * horizon / static_cast<double>(season));
  const double there = mean(origin + horizon - (horizon + season - 1) / season * season), here = mean(origin - season);
  return there + fade * (series_.at(origin) - here);
}

void Members::forecast(int horizon, const Between& between, std::vector<float>& out) const {
  const auto add = [&](double forecast) { out.push_back(static_cast<float>(series_.transform().inverse(forecast))); };
  const long season = series_.seasons().short_one, origin = series_.size() - 1, target = origin + horizon;
  const double value = series_.at(origin);
  add(origin < season ? value : value + series_.recent_profile(target) - series_.recent_profile(origin));
  add(value + series_.usual_profile(target) - series_.usual_profile(origin));
  add(after_recent_seasons(horizon));
  const Features known = features(series_, origin, horizon);
  double lagged = lag_models_[between.near].forecast(known);
  if (between.share > 0) lagged += between.share * (lag_models_[between.far].forecast(known) - lagged);
  add(lagged);
  add(decomposition_.forecast(horizon));
  add(harmonic_.forecast(horizon));
  add(structural_.forecast(horizon));
  for (const HoltWinters& smoother : smoothers_) add(smoother.forecast(horizon));
}

void Members::heal(long first) {
  for (long step = first; step < series_.size(); ++step) {
    const long before = step - series_.seasons().short_one;
    if (series_.has(before)) series_.heal(step, series_.at(before));
  }
}

std::size_t Members::bytes() const {
  std::size_t sum = sizeof *this + series_.bytes() + decomposition_.bytes() + harmonic_.bytes() + structural_.bytes() +
                    learnt_.size() * sizeof(int);
  for (const HoltWinters& smoother : smoothers_) sum += sizeof smoother + smoother.bytes();
  for (const LagModel& model : lag_models_) sum += sizeof model + model.bytes();
  return sum;
}

}  // namespace gnomon::forecast
