#include "coordinator/capacity/capacity_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace gnomon::capacity {
namespace {

constexpr double kNormal = 1.96;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Curves are kept at utilisations 1 - exp(-x) for x = 0.05, 0.1, …: equal steps of x are about equal rises of log
// latency.
constexpr double kSpacing = 0.05;
constexpr std::size_t kSteps = 140;
// The station's own error in log latency, and over what range of x it persists.
constexpr double kAmplitude = 0.04, kLength = 0.7;
constexpr double kLeastBusy = 0.25;
constexpr std::size_t kLeastLoads = 3;
// Of the intervals' widths: the statistics fitted are those of the same requests, so they say less than if independent.
constexpr double kDependence = 1.5;
// Standard errors below the median, a quantile of 0.39: best where too high an answer costs 1.6 times a too low one.
constexpr double kCaution = 0.29;
constexpr double kKneeRise = 1.25;  // of the measured p95

double coordinate(double utilisation) {
  return utilisation < 1 ? -std::log1p(-utilisation) : kInfinity;
}

double quantile_log(const LoadPoint& point, std::size_t quantile) {
  return point.log_value[LoadPoint::kP50 + quantile];
}

std::size_t index(Quantile quantile) {
  return static_cast<std::size_t>(quantile);
}

absl::Status check(const std::vector<LoadPoint>& points) {
  double busiest = -1;
  for (const LoadPoint& point : points)
    if (std::isfinite(point.log_value[LoadPoint::kBusy]))
      busiest = std::max(busiest, std::exp(point.log_value[LoadPoint::kBusy]));
  if (points.size() < kLeastLoads)
    return absl::InvalidArgumentError(absl::StrCat("capacity needs latencies at ", kLeastLoads,
                                                   " different loads below saturation; there are ", points.size()));
  if (busiest < 0)
    return absl::InvalidArgumentError(
        "capacity needs the share of workers or CPU that was busy: latency alone does not show how near the limit is");
  if (busiest < kLeastBusy)
    return absl::InvalidArgumentError(absl::StrCat("the load test kept at most ", std::lround(100 * busiest),
                                                   "% busy; test with more load to learn the capacity"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CapacityModel> CapacityModel::fit(const std::vector<Window>& windows) {
  auto pooled = pool(windows);
  if (!pooled.ok()) return pooled.status();
  CapacityModel model;
  for (const LoadPoint& point : *pooled) {
    model.errors_.emplace_back(point.rate, point.error_share);
    if (!point.saturated)
      model.points_.push_back(point);
    else
      model.saturated_ = std::max(model.saturated_.value_or(0), point.rate);
  }
  if (auto status = check(model.points_); !status.ok()) return status;
  auto station = fit_station(model.points_);
  if (!station.ok()) return station.status();
  model.fit_ = *std::move(station);
  model.curves_.push_back(model.curve(model.fit_.parameters));
  for (const Eigen::VectorXd& aside : model.fit_.asides) model.curves_.push_back(model.curve(aside));
  for (std::size_t q = 0; q < kQuantiles; ++q) {
    std::vector<Miss> misses;
    for (const LoadPoint& point : model.points_) {
      const double modelled = model.log_latency(model.curves_.front(), point.rate, q);
      const Miss miss{coordinate(model.utilisation(point.rate)), quantile_log(point, q) - modelled,
                      point.error[LoadPoint::kP50 + q]};
      if (std::isfinite(miss.at) && std::isfinite(miss.residual)) misses.push_back(miss);
    }
    model.discrepancy_[q] = Discrepancy(misses, kAmplitude, kLength);
  }
  for (Curve& curve : model.curves_) model.correct(curve);
  return model;
}

CapacityModel::Curve CapacityModel::curve(const Eigen::VectorXd& parameters) const {
  const Station station = fit_.station(parameters);
  Curve out{station.capacity(), {}};
  for (std::size_t i = 1; i <= kSteps; ++i) {
    const double utilisation = -std::expm1(-kSpacing * static_cast<double>(i));
    const auto quantiles = station.at(utilisation * out.capacity, {0.5, 0.95, 0.99}).quantiles;
    out.logs.push_back({std::log(quantiles[0]), std::log(quantiles[1]), std::log(quantiles[2])});
  }
  return out;
}

// Adds the Gaussian process, then takes the running maximum: more load never means less latency.
void CapacityModel::correct(Curve& curve) const {
  for (std::size_t q = 0; q < kQuantiles; ++q) {
    double most = -kInfinity;
    for (std::size_t i = 0; i < curve.logs.size(); ++i) {
      const double utilisation = -std::expm1(-kSpacing * static_cast<double>(i + 1));
      const double x = coordinate(this->utilisation(utilisation * curve.capacity));
      most = std::max(most, curve.logs[i][q] + (std::isfinite(x) ? discrepancy_[q].mean(x) : 0));
      curve.logs[i][q] = most;
    }
  }
}

double CapacityModel::log_latency(const Curve& curve, double rate, std::size_t quantile) const {
  const double position = coordinate(rate / curve.capacity) / kSpacing - 1;
  if (std::isnan(position)) return position;
  if (position <= 0) return curve.logs.front()[quantile];
  const double last = static_cast<double>(curve.logs.size() - 1);
  // Beyond the last step the backlog grows as 1 / (1 - utilisation).
  if (position >= last) return curve.logs.back()[quantile] + kSpacing * (position - last);
  const auto i = static_cast<std::size_t>(position);
  return curve.logs[i][quantile] +
         (curve.logs[i + 1][quantile] - curve.logs[i][quantile]) * (position - static_cast<double>(i));
}

// The highest rate with at most that latency; 0 when there is none.
double CapacityModel::rate_at(const Curve& curve, double log_latency, std::size_t quantile) const {
  if (log_latency < curve.logs.front()[quantile]) return 0;
  double position = static_cast<double>(curve.logs.size() - 1);
  if (log_latency >= curve.logs.back()[quantile]) {
    position += (log_latency - curve.logs.back()[quantile]) / kSpacing;
  } else {
    std::size_t i = curve.logs.size() - 1;
    while (curve.logs[i - 1][quantile] > log_latency) --i;
    const double low = curve.logs[i - 1][quantile], rise = curve.logs[i][quantile] - low;
    position = static_cast<double>(i) - 1 + (rise > 0 ? (log_latency - low) / rise : 1);
  }
  return curve.capacity * -std::expm1(-kSpacing * (position + 1));
}

// Propagates one standard error along each axis, in the logarithm, up and down apart: parameters at a bound move what
// follows from them one way only.
template <class Function>
Estimate CapacityModel::spread(const Function& of_curve, double own_error) const {
  const double value = of_curve(curves_.front());
  if (!(value > 0) || !std::isfinite(value)) return {value, value, value};
  double down = own_error * own_error, up = down;
  for (std::size_t i = 1; i + 1 < curves_.size(); i += 2) {
    double least = 0, most = 0;
    for (const double other : {of_curve(curves_[i]), of_curve(curves_[i + 1])}) {
      const double aside = other > 0 && std::isfinite(other) ? std::log(other / value) : other > value ? 1 : -1;
      least = std::min(least, aside);
      most = std::max(most, aside);
    }
    down += least * least;
    up += most * most;
  }
  // Birge's ratio (Physical Review 40, 1932): what fits badly is known as much less well.
  const double width = kNormal * kDependence * std::sqrt(std::max(1.0, fit_.misfit));
  return {value, value * std::exp(-width * std::sqrt(down)), value * std::exp(width * std::sqrt(up))};
}

Estimate CapacityModel::latency(double rate, Quantile quantile) const {
  const std::size_t q = index(quantile);
  if (!(rate >= 0)) return {std::nan(""), std::nan(""), std::nan("")};
  const double x = coordinate(utilisation(rate));
  if (!std::isfinite(x)) return {kInfinity, std::exp(curves_.front().logs.back()[q]), kInfinity};
  Estimate out =
      spread([&](const Curve& curve) { return std::exp(log_latency(curve, rate, q)); }, discrepancy_[q].error(x));
  // A curve that says the service is saturated at this rate has no finite latency.
  for (const Curve& curve : curves_)
    if (rate >= curve.capacity) out.high = kInfinity;
  return out;
}

Estimate CapacityModel::capacity() const {
  return spread([](const Curve& curve) { return curve.capacity; }, 0);
}

absl::StatusOr<Limit> CapacityModel::max_rate(double slo, Quantile quantile, double error_share) const {
  const std::size_t q = index(quantile);
  if (!(slo > 0) || !std::isfinite(slo)) return absl::InvalidArgumentError("the objective must be a positive time");
  const double log_slo = std::log(slo), best = rate_at(curves_.front(), log_slo, q);
  if (!(best > 0))
    return absl::FailedPreconditionError(absl::StrCat("the latency is above the objective of ", slo, " s at any load"));
  const double error = discrepancy_[q].error(coordinate(utilisation(best)));
  const double own = std::log(std::max(rate_at(curves_.front(), log_slo + error, q), best) / best);
  Limit out;
  out.rate = spread([&](const Curve& curve) { return rate_at(curve, log_slo, q); }, own);
  out.rate.value *= std::pow(out.rate.low / out.rate.value, kCaution / kNormal);
  out.rate.high = std::min(out.rate.high, std::max(out.rate.value, capacity().high));
  for (const auto& [rate, share] : errors_) {
    if (share <= error_share) continue;
    if (rate < out.rate.value) {
      out.by_errors = true;
      out.rate = {rate, std::min(out.rate.low, rate), std::min(out.rate.high, rate)};
    }
    break;
  }
  if (saturated_ && *saturated_ < out.rate.value)
    out.rate = {*saturated_, std::min(out.rate.low, *saturated_), std::min(out.rate.high, *saturated_)};
  out.extrapolated = out.rate.value > highest_tested();
  return out;
}

double CapacityModel::knee_of(const Curve& curve) const {
  double best = -kInfinity, at = 0;
  for (std::size_t i = 0; i < curve.logs.size(); ++i) {
    const double utilisation = -std::expm1(-kSpacing * static_cast<double>(i + 1));
    const double power = std::log(utilisation) - curve.logs[i][index(Quantile::kP95)];
    if (power <= best) continue;
    best = power;
    at = utilisation;
  }
  return at * curve.capacity;
}

std::optional<Estimate> CapacityModel::knee() const {
  const std::size_t q = index(Quantile::kP95);
  const Estimate out = spread([this](const Curve& curve) { return knee_of(curve); }, kSpacing / 2);
  if (!(out.value <= highest_tested())) return std::nullopt;
  const LoadPoint &first = points_.front(), &last = points_.back();
  const double rise = quantile_log(last, q) - quantile_log(first, q);
  const double error = std::hypot(first.error[LoadPoint::kP95], last.error[LoadPoint::kP95]);
  if (!(rise > std::log(kKneeRise) && rise > 3 * error)) return std::nullopt;
  return out;
}

}  // namespace gnomon::capacity
