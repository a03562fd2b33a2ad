#include "coordinator/forecast/lag_model.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

const double kKeep = std::pow(0.5, 1.0 / 2000);  // half of what was learnt is forgotten after 2000 steps
constexpr double kPseudoRows = 30;
constexpr double kOutlier = 3;  // of the mean absolute error: beyond it a row counts in proportion less (Huber)

class Builder {
 public:
  Builder(const Series& series, long origin, Features& out)
      : series_(series), origin_(origin), level_(series.level(origin)), out_(out) {}

  double value(long step) const { return step <= origin_ && series_.has(step) ? series_.at(step) - level_ : 0; }
  // Mean around a step, none of it after the origin.
  double around(long step, long reach) const {
    if (step < 0 || !series_.has(step)) return 0;
    return series_.mean(step - reach, std::min(step + reach, origin_)) - level_;
  }
  double seasons(long first, int count, long reach) const {
    double sum = 0;
    int found = 0;
    for (int k = 0; k < count; ++k) {
      const long step = first - k * static_cast<long>(series_.seasons().short_one);
      if (!series_.has(step)) break;
      sum += around(step, reach);
      ++found;
    }
    return found > 0 ? sum / found : 0;
  }
  void add(double feature) { out_.values[next_++] = feature; }

 private:
  const Series& series_;
  long origin_;
  double level_;
  Features& out_;
  std::size_t next_ = 0;
};

void add_long_season(const Series& series, long origin, int horizon, long reach, Builder& build) {
  const long period = series.seasons().long_one, target = origin + horizon;
  const long last = target - (horizon + period - 1) / period * period;
  build.add(build.value(last));
  build.add(build.value(last - period));
  build.add(build.value(origin - period));
  build.add(build.value(origin - 2 * period));
  build.add(series.long_profile(target));
  build.add(series.long_profile(origin));
  double level = 0;
  const long days = period / series.seasons().short_one;
  for (long day = 0; day < days; ++day) level += series.level(origin - day * series.seasons().short_one);
  build.add(series.level(origin) - level / static_cast<double>(days));
  build.add(build.around(last, reach));
}

}  // namespace

Features features(const Series& series, long origin, int horizon) {
  Features out;
  Builder build(series, origin, out);
  const long season = series.seasons().short_one, target = origin + horizon;
  const long reach = std::max(1L, season / 96);
  const long last = target - (horizon + season - 1) / season * season;  // latest known of the target's phase
  out.level = series.level(origin);
  for (const long lag : {0, 1, 2, 3, 5, 8}) build.add(build.value(origin - lag));
  build.add(series.mean(origin - std::max(3L, season / 24) + 1, origin) - out.level);
  build.add(series.mean(origin - std::max(1L, season / 4) + 1, origin) - out.level);
  for (int k = 0; k < 3; ++k) build.add(build.value(last - k * season));
  build.add(build.around(last, reach));
  build.add(build.value(last + 1));
  build.add(build.value(last - 1));
  out.recent_days = build.seasons(last, 6, reach);
  build.add(out.recent_days);
  build.add(build.value(origin - season));
  build.add(build.value(origin - 2 * season));
  out.recent_origin = build.seasons(origin - season, 6, reach);
  build.add(out.recent_origin);
  const double there = series.profile(target), here = series.profile(origin);
  build.add(there);
  build.add(here);
  build.add(series.has(origin - season) ? out.level - series.level(origin - season) : 0);
  const long period = series.seasons().long_one;
  if (period > 0 && origin >= period + season) add_long_season(series, origin, horizon, reach, build);
  const double fade = std::pow(0.5, 4.0 * horizon / static_cast<double>(season));
  out.prior = there + fade * (build.value(origin) - here);
  return out;
}

void LagModel::learn(const Features& features, double actual) {
  const double target = actual - features.level - features.prior;
  const double error = std::abs(target - correction(features));
  const double rows = equations_.rows();
  const double limit = kOutlier * 1.25 * error_;
  const double weight = rows > 20 && error > limit ? limit / error : 1;
  error_ += std::max(0.01, 1 / (rows + 1)) * ((rows > 20 ? std::min(error, 5 * error_) : error) - error_);
  equations_.add(features.values.data(), target, weight, kKeep);
}

void LagModel::solve() {
  coefficients_ = equations_.solve(kPseudoRows, 0);
}

double LagModel::correction(const Features& features) const {
  double sum = 0;
  for (std::size_t i = 0; i < coefficients_.size(); ++i) sum += coefficients_[i] * features.values[i];
  return sum;
}

}  // namespace gnomon::forecast
