#include "coordinator/forecast/ensemble.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gnomon::forecast {
namespace {

constexpr int kCapacity = 4096;
constexpr int kPending = 16;  // forecasts of one long horizon that wait for their time, at most
constexpr int kRefit = 12;    // steps from one fit to the next
constexpr double kAlike = 0.3;
constexpr std::size_t kOddKept = 256;
constexpr double kOdd = 12;  // times the usual error of the steadiest member: an outage or a burst until it lasts

}  // namespace

Ensemble::Ensemble(Seasons seasons, bool with_log, double offset, int max_horizon, double miss)
    : seasons_(seasons), learnt_(learnt_horizons(seasons.short_one, max_horizon)) {
  std::vector<int> lags = learnt_;
  std::erase_if(lags, [](int steps) { return steps > kLongestLag; });
  members_ = seasons.long_one > 0 ? 3 : 2;
  const int simple = members_;
  for (const bool log : {false, true}) {
    if (log && !with_log) continue;
    views_.emplace_back(seasons, Transform{log, offset}, kCapacity, lags);
    members_ += views_.back().count();
  }
  for (const int steps : learnt_) {
    const int stride = steps <= kLongestLag ? 1 : (steps + kPending - 1) / kPending;
    horizons_.push_back({steps, stride, Combination(members_, seasons.short_one, simple),
                         Calibration(miss, steps, stride),
                         std::vector<float>(static_cast<std::size_t>((steps / stride + 1) * kept()))});
  }
}

double Ensemble::phase(long step) const {
  return static_cast<double>(step % seasons_.short_one) / seasons_.short_one;
}

float* Ensemble::slot(Horizon& horizon, long origin) const {
  const long slots = horizon.steps / horizon.stride + 1;
  return horizon.made.data() + origin / horizon.stride % slots * kept();
}

std::vector<float> Ensemble::members(int horizon) const {
  std::vector<float> out;
  out.reserve(static_cast<std::size_t>(members_));
  const long origin = size() - 1, target = origin + horizon;
  const auto repeat = [&](long season) {
    const long step = target - (horizon + season - 1) / season * season;
    out.push_back(static_cast<float>(remembered(remembers(step) ? step : origin)));
  };
  out.push_back(static_cast<float>(last()));
  repeat(seasons_.short_one);
  if (seasons_.long_one > 0) repeat(seasons_.long_one);
  const Between near = between(learnt_, views_.front().learnt(), seasons_.short_one, horizon);
  for (const Members& view : views_) view.forecast(horizon, near, out);
  for (float& value : out) value = static_cast<float>(std::isfinite(value) ? bounded(value) : last());
  return out;
}

double Ensemble::bounded(double value) const {
  const double range = highest_ - lowest_;
  return std::clamp(value, lowest_ >= 0 ? 0 : lowest_ - range, highest_ + range);
}

// Odd in the same way a season ago, nearer to that than to what is expected: a job, or a weekend, and no outage.
bool Ensemble::recurs(double value, double error) const {
  const auto then = [&](long step) {
    return step == size() - seasons_.short_one || step == size() - seasons_.long_one;
  };
  return std::any_of(odd_.begin(), odd_.end(),
                     [&](const Odd& odd) { return then(odd.step) && std::abs(odd.value - value) < kAlike * error; });
}

// Far from the steadiest smoother, which an outage hardly moves. What stays there for half a season is a new level.
bool Ensemble::is_typical(double value) {
  const double error = std::abs(value - views_.front().steadiest());
  const bool far = errors_ > 2L * seasons_.short_one && error > kOdd * usual_error_;
  const bool odd = far && !recurs(value, error);
  if (far) {
    const Odd now{static_cast<int>(size()), static_cast<float>(value)};
    if (odd_.size() < kOddKept) odd_.push_back(now);
    odd_[next_odd_++ % kOddKept] = now;
  }
  ++errors_;
  const double bounded = errors_ > seasons_.short_one ? std::min(error, 4 * usual_error_ + resolution()) : error;
  usual_error_ +=
      std::max(1.0 / (4 * seasons_.short_one), 1.0 / static_cast<double>(errors_)) * (bounded - usual_error_);
  if (!odd) {
    if (odd_since_ >= 0 && size() - odd_since_ <= seasons_.short_one / 2)
      for (Members& view : views_) view.heal(odd_since_);
    odd_since_ = -1;
    return true;
  }
  if (odd_since_ < 0) odd_since_ = size();
  return size() - odd_since_ > seasons_.short_one / 2;
}

void Ensemble::mature(Horizon& horizon, double value) {
  const long origin = size() - horizon.steps;  // size() is the step that `value` is of
  if (origin < 0 || origin % horizon.stride != 0) return;
  const float* made = slot(horizon, origin);
  horizon.combination.learn(made, value, resolution());
  horizon.calibration.learn(value - made[members_], made[kept() - 1], phase(size()));
  if ((size() / horizon.stride + horizon.steps) % kRefit == 0) horizon.combination.solve();
}

void Ensemble::issue(Horizon& horizon) {
  const long origin = size() - 1;
  if (origin % horizon.stride != 0) return;
  const std::vector<float> made = members(horizon.steps);
  float* kept = slot(horizon, origin);
  std::copy(made.begin(), made.end(), kept);
  horizon.combination.keep(kept);
  kept[this->kept() - 1] = static_cast<float>(horizon.calibration.spread(phase(origin + horizon.steps), resolution()));
}

void Ensemble::observe(double value) {
  const bool missing = std::isnan(value);
  // Nothing beyond what was seen, or a long gap's guesses would lead away.
  if (missing)
    value = size() > 0 ? std::clamp(horizons_.front().combination.combine(members(1).data()), lowest_, highest_) : 0;
  lowest_ = size() == 0 ? value : std::min(lowest_, value);
  highest_ = size() == 0 ? value : std::max(highest_, value);
  const bool typical = !missing && is_typical(value);
  if (!missing && size() > 0)
    for (Horizon& horizon : horizons_) mature(horizon, value);
  for (Members& view : views_) {
    if (typical && size() > 0) view.learn(value);
    view.push(value, typical);
  }
  for (Horizon& horizon : horizons_) issue(horizon);
}

Step Ensemble::step(const Horizon& horizon, int steps, const std::vector<float>& made) const {
  const double yhat = bounded(horizon.combination.combine(made.data()));
  const double spread = horizon.calibration.spread(phase(size() - 1 + steps), resolution());
  const Calibration::Interval miss = horizon.calibration.interval(spread);
  return {yhat, yhat + miss.low, yhat + miss.high};
}

std::vector<Step> Ensemble::forecast(int horizons) const {
  std::vector<Step> out;
  for (int h = 1; h <= horizons; ++h) {
    const Between learnt = between(learnt_, learnt_.size(), seasons_.short_one, h);
    const std::vector<float> made = members(h);
    Step next = step(horizons_[learnt.near], h, made);
    if (learnt.share > 0) {
      const Step far = step(horizons_[learnt.far], h, made);
      next.yhat += learnt.share * (far.yhat - next.yhat);
      next.lo += learnt.share * (far.lo - next.lo);
      next.hi += learnt.share * (far.hi - next.hi);
    }
    if (lowest_ >= 0) next = {std::max(next.yhat, 0.0), std::max(next.lo, 0.0), std::max(next.hi, 0.0)};
    out.push_back(next);
  }
  return out;
}

double Ensemble::experience() const {
  return horizons_.front().calibration.count();
}

std::size_t Ensemble::bytes() const {
  std::size_t sum = sizeof *this + odd_.capacity() * sizeof(Odd);
  for (const Members& view : views_) sum += view.bytes();
  for (const Horizon& horizon : horizons_)
    sum += sizeof horizon + horizon.combination.bytes() + horizon.made.size() * sizeof(float);
  return sum;
}

}  // namespace gnomon::forecast
