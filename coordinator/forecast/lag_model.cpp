#include "coordinator/forecast/lag_model.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

const double kKeep = std::pow(0.5, 1.0 / 500);  // half of what was learnt is forgotten after 500 steps
constexpr double kPseudoRows = 10;
constexpr double kOutlier = 3;  // of the mean absolute error: beyond it a row counts in proportion less (Huber)
constexpr int kSeasonsBefore = 4;

class Builder {
 public:
  Builder(const Series& series, long origin, int horizon, Features& out)
      : series_(series), origin_(origin), target_(origin + horizon), horizon_(horizon), out_(out) {}

  void add(double feature) { out_.values[next_++] = static_cast<float>(feature); }
  // The least whole number of periods that lead from the target back to what is known.
  long back(long period) const { return (horizon_ + period - 1) / period * period; }
  // Over as long a time `before`, in excess of the prior; 0 if that is not remembered.
  double change(long before) const {
    if (!series_.has(origin_ - before)) return 0;
    return series_.at(target_ - before) - series_.at(origin_ - before) - out_.prior;
  }
  // The same between means over `reach` steps to each side.
  double smooth_change(long before, long reach) const {
    if (!series_.has(origin_ - before - reach)) return 0;
    const auto around = [&](long step) { return series_.mean(step - reach, std::min(step + reach, origin_)); };
    return around(target_ - before) - around(origin_ - before) - out_.prior;
  }

 private:
  const Series& series_;
  long origin_, target_;
  int horizon_;
  Features& out_;
  std::size_t next_ = 0;
};

void add_seasons(const Series& series, long origin, long reach, Builder& build) {
  const long season = series.seasons().short_one, back = build.back(season);
  build.add(build.change(back));
  build.add(build.smooth_change(back, reach));
  double sum = 0;
  int found = 0;
  for (long before = back + season; found < kSeasonsBefore && series.has(origin - before); before += season, ++found)
    sum += build.smooth_change(before, reach);
  build.add(found > 0 ? sum / found : 0);
}

void add_long_season(const Series& series, long origin, long reach, Builder& build) {
  const long period = series.seasons().long_one, before = origin - period;
  const bool known = period > 0 && series.has(before);
  const auto above_level = [&](long step) { return series.adjusted(step) - series.level(step); };
  build.add(known ? build.smooth_change(build.back(period), reach) : 0);
  build.add(known ? build.smooth_change(build.back(period) + period, reach) : 0);
  build.add(known ? above_level(origin) - above_level(before) : 0);
}

}  // namespace

Features features(const Series& series, long origin, int horizon) {
  Features out;
  const long season = series.seasons().short_one, target = origin + horizon, reach = season / 96;
  out.value = series.at(origin);
  out.prior = series.smooth_profile(target) - series.smooth_profile(origin);
  Builder build(series, origin, horizon, out);
  const double now = series.adjusted(origin);
  for (int k = 0; k < Series::kMeans; ++k) build.add(now - series.adjusted_mean(origin, k));
  build.add(now - series.level(origin));
  build.add(out.prior);
  add_seasons(series, origin, reach, build);
  add_long_season(series, origin, reach, build);
  build.add(series.has(origin - season) ? series.level(origin) - series.level(origin - season) : 0);
  // How sharp the profile is, for services with jobs at fixed times.
  for (const long step : {target, origin}) build.add(series.recent_profile(step) - series.smooth_profile(step));
  for (const long step : {target, origin}) build.add(series.usual_profile(step) - series.smooth_profile(step));
  return out;
}

void LagModel::learn(const Features& features, double actual) {
  const double error = std::abs(actual - forecast(features));
  const double rows = equations_.rows();
  const double limit = kOutlier * 1.25 * error_;
  const bool known = rows > 20 && error_ > 0;
  const double weight = known && error > limit ? limit / error : 1;
  error_ += std::max(0.01, 1 / (rows + 1)) * ((known ? std::min(error, 5 * error_) : error) - error_);
  equations_.add(features.values.data(), actual - features.value - features.prior, weight, kKeep);
}

void LagModel::solve() {
  coefficients_ = equations_.solve(kPseudoRows, 0);
}

double LagModel::forecast(const Features& features) const {
  double sum = features.value + features.prior;
  for (std::size_t i = 0; i < coefficients_.size(); ++i)
    sum += static_cast<double>(coefficients_[i]) * features.values[i];
  return sum;
}

}  // namespace gnomon::forecast
