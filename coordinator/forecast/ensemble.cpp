#include "coordinator/forecast/ensemble.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>

namespace gnomon::forecast {
namespace {

constexpr int kCapacity = 4096;
constexpr std::array kHorizons = {1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 96, 144, 288, 576, 1152, 2880};
constexpr int kLongestLag = 48;
constexpr int kParts = 6;
constexpr int kPending = 16;  // forecasts of one long horizon that wait for their time, at most
constexpr int kRefit = 12;    // steps from one fit to the next
constexpr Gains kGains[] = {{0.02, 0.05, false}, {0.02, 0.2, false}, {0.2, 0.1, false}, {0.6, 0.1, false},
                            {0.9, 0.03, false},  {0.1, 0.4, false},  {0.01, 0.1, true}, {0.05, 0.2, true}};
constexpr double kOdd = 12;  // times the usual error of the steadiest member: an outage or a burst until it lasts

// The horizons that are learnt. Where a season is short enough for each of its parts to behave in its own way, six a
// season for two seasons, and those beside whole seasons, where what the origin tells changes.
std::vector<int> learnt_horizons(int season, int longest) {
  std::set<int> steps(kHorizons.begin(), kHorizons.end());
  if (season >= 2 * kParts && 2 * season <= kLongestLag) {
    std::erase_if(steps, [season](int horizon) { return horizon > 3 && horizon < 2 * season; });
    for (int part = 1; part <= 2 * kParts; ++part) steps.insert(part * season / kParts);
    steps.insert({season - 1, season + 1, 2 * season - 1});
  }
  std::erase_if(steps, [longest](int horizon) { return horizon > longest; });
  return {steps.begin(), steps.end()};
}

}  // namespace

Ensemble::Ensemble(Seasons seasons, bool with_log, double offset, int max_horizon, double miss)
    : seasons_(seasons), learnt_(learnt_horizons(seasons.short_one, max_horizon)) {
  for (int k = 0; k < (with_log ? 2 : 1); ++k) {
    View view{Series(seasons, {k == 1, offset}, kCapacity), {}, {}};
    for (const Gains& gains : kGains)
      if (!gains.with_long_season || seasons.long_one > 0) view.smoothers.emplace_back(gains, seasons);
    for (const int steps : learnt_)
      if (steps <= kLongestLag) view.lag_models.emplace_back();
    views_.push_back(std::move(view));
  }
  const int plain = seasons.long_one > 0 ? 3 : 2;
  members_ = plain + static_cast<int>(views_.size()) * (3 + static_cast<int>(views_.front().smoothers.size()));
  for (const int steps : learnt_) {
    const int stride = steps <= kLongestLag ? 1 : (steps + kPending - 1) / kPending;
    horizons_.push_back({steps, stride, Combination(members_, seasons.short_one, plain),
                         Calibration(miss, steps, stride),
                         std::vector<float>(static_cast<std::size_t>((steps / stride + 1) * (members_ + 2)))});
  }
}

double Ensemble::phase(long step) const {
  return static_cast<double>(step % seasons_.short_one) / seasons_.short_one;
}

float* Ensemble::slot(Horizon& horizon, long origin) const {
  const long slots = horizon.steps / horizon.stride + 1;
  return horizon.made.data() + origin / horizon.stride % slots * (members_ + 2);
}

// A whole number of seasons ahead, the origin itself is the latest of the target's phase: what was learnt there, or
// where the target lies in another season, says little of other horizons.
Ensemble::Between Ensemble::neighbours(int horizon, std::size_t count) const {
  const int season = seasons_.short_one;
  const auto alike = [&](int steps) { return steps % season != 0 && (steps - 1) / season == (horizon - 1) / season; };
  std::optional<std::size_t> near, far;
  std::size_t closest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (learnt_[i] == horizon) return {i, i, 0};
    if (learnt_[i] < horizon) closest = i;
    if (!alike(learnt_[i])) continue;
    if (learnt_[i] < horizon) near = i;
    if (learnt_[i] > horizon && !far) far = i;
  }
  if (near && far)
    return {*near, *far, static_cast<double>(horizon - learnt_[*near]) / (learnt_[*far] - learnt_[*near])};
  if (near || far) return {near ? *near : *far, near ? *near : *far, 0};
  return {closest, closest, 0};
}

void Ensemble::make_members(const View& view, long origin, int horizon, std::vector<float>& out) const {
  const Series& series = view.series;
  const Features known = features(series, origin, horizon);
  const double value = series.at(origin), here = series.profile(origin), there = series.profile(origin + horizon);
  const auto add = [&](double forecast) { out.push_back(static_cast<float>(series.transform().inverse(forecast))); };
  add(origin < seasons_.short_one ? value : value + there - here);
  const double fade = std::pow(0.5, 4.0 * horizon / seasons_.short_one);
  add(known.level + known.recent_days + fade * (value - known.level - known.recent_origin));
  const Between between = neighbours(horizon, view.lag_models.size());
  double correction = view.lag_models[between.near].correction(known);
  if (between.share > 0) correction += between.share * (view.lag_models[between.far].correction(known) - correction);
  add(known.level + known.prior + correction);
  for (const HoltWinters& smoother : view.smoothers) add(smoother.forecast(horizon));
}

std::vector<float> Ensemble::members(int horizon) const {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(members_) + 2);
  const Series& series = views_.front().series;
  const long origin = size() - 1, target = origin + horizon;
  const auto repeat = [&](long season) {
    const long step = target - (horizon + season - 1) / season * season;
    out.push_back(static_cast<float>(series.at(series.has(step) ? step : origin)));
  };
  out.push_back(static_cast<float>(series.at(origin)));
  repeat(seasons_.short_one);
  if (seasons_.long_one > 0) repeat(seasons_.long_one);
  for (const View& view : views_) make_members(view, origin, horizon, out);
  const double range = highest_ - lowest_, low = lowest_ >= 0 ? 0 : lowest_ - range, high = highest_ + range;
  for (float& value : out)
    value = std::isfinite(value) ? static_cast<float>(std::clamp<double>(value, low, high))
                                 : static_cast<float>(series.at(origin));
  return out;
}

// Far from the steadiest smoother, which an outage hardly moves. What stays there for half a season is a new level.
bool Ensemble::is_typical(double value) {
  const double error = std::abs(value - views_.front().smoothers.front().forecast(1));
  const bool odd = errors_ > 2L * seasons_.short_one && error > kOdd * usual_error_;
  ++errors_;
  const double bounded = errors_ > seasons_.short_one ? std::min(error, 4 * usual_error_ + resolution()) : error;
  usual_error_ +=
      std::max(1.0 / (4 * seasons_.short_one), 1.0 / static_cast<double>(errors_)) * (bounded - usual_error_);
  if (!odd) {
    if (odd_since_ >= 0 && size() - odd_since_ <= seasons_.short_one / 2) heal();
    odd_since_ = -1;
    return true;
  }
  if (odd_since_ < 0) odd_since_ = size();
  return size() - odd_since_ > seasons_.short_one / 2;
}

void Ensemble::heal() {
  for (View& view : views_) {
    for (long step = odd_since_; step < size(); ++step) {
      const long before = step - seasons_.short_one;
      if (view.series.has(before)) view.series.heal(step, view.series.at(before));
    }
  }
}

void Ensemble::mature(Horizon& horizon, double value) {
  const long origin = size() - horizon.steps;  // size() is the step that `value` is of
  if (origin < 0 || origin % horizon.stride != 0) return;
  const float* made = slot(horizon, origin);
  horizon.combination.learn(made, value, resolution());
  horizon.calibration.learn(value - made[members_], made[members_ + 1], phase(size()));
  if ((size() / horizon.stride + horizon.steps) % kRefit == 0) horizon.combination.solve();
}

void Ensemble::issue(Horizon& horizon) {
  const long origin = size() - 1;
  if (origin % horizon.stride != 0) return;
  const std::vector<float> made = members(horizon.steps);
  float* kept = slot(horizon, origin);
  std::copy(made.begin(), made.end(), kept);
  kept[members_] = static_cast<float>(horizon.combination.combine(made.data()));
  kept[members_ + 1] = static_cast<float>(horizon.calibration.spread(phase(origin + horizon.steps), resolution()));
}

void Ensemble::observe(double value) {
  const bool missing = std::isnan(value);
  if (missing) value = size() > 0 ? horizons_.front().combination.combine(members(1).data()) : 0;
  lowest_ = size() == 0 ? value : std::min(lowest_, value);
  highest_ = size() == 0 ? value : std::max(highest_, value);
  const bool typical = !missing && is_typical(value);
  if (!missing && size() > 0) {
    for (Horizon& horizon : horizons_) mature(horizon, value);
    for (View& view : views_) {
      for (std::size_t i = 0; i < view.lag_models.size() && typical; ++i) {
        const long origin = size() - learnt_[i];
        if (origin < std::min(seasons_.short_one, 24)) continue;
        view.lag_models[i].learn(features(view.series, origin, learnt_[i]), view.series.transform().forward(value));
      }
    }
  }
  for (View& view : views_) {
    view.series.push(value, typical);
    for (HoltWinters& smoother : view.smoothers) smoother.observe(view.series.at(size() - 1), typical);
    for (std::size_t i = 0; i < view.lag_models.size(); ++i)
      if ((view.series.size() + static_cast<long>(i)) % kRefit == 0) view.lag_models[i].solve();
  }
  for (Horizon& horizon : horizons_) issue(horizon);
}

std::vector<Step> Ensemble::forecast(int horizons) const {
  std::vector<Step> out;
  for (int h = 1; h <= horizons; ++h) {
    const Between between = neighbours(h, horizons_.size());
    const std::vector<float> made = members(h);
    const auto step = [&](const Horizon& horizon) {
      const double yhat = horizon.combination.combine(made.data());
      const Calibration::Interval miss =
          horizon.calibration.interval(horizon.calibration.spread(phase(size() - 1 + h), resolution()));
      return Step{yhat, yhat + miss.low, yhat + miss.high};
    };
    Step near = step(horizons_[between.near]);
    if (between.share > 0) {
      const Step far = step(horizons_[between.far]);
      near.yhat += between.share * (far.yhat - near.yhat);
      near.lo += between.share * (far.lo - near.lo);
      near.hi += between.share * (far.hi - near.hi);
    }
    if (lowest_ >= 0) near = {std::max(near.yhat, 0.0), std::max(near.lo, 0.0), std::max(near.hi, 0.0)};
    out.push_back(near);
  }
  return out;
}

double Ensemble::experience() const {
  return horizons_.front().calibration.count();
}

std::size_t Ensemble::bytes() const {
  std::size_t sum = sizeof *this;
  for (const View& view : views_) {
    sum += sizeof view + view.series.bytes();
    for (const HoltWinters& smoother : view.smoothers) sum += sizeof smoother + smoother.bytes();
    for (const LagModel& model : view.lag_models) sum += sizeof model + model.bytes();
  }
  for (const Horizon& horizon : horizons_)
    sum += sizeof horizon + horizon.combination.bytes() + horizon.made.size() * sizeof(float);
  return sum;
}

}  // namespace gnomon::forecast
