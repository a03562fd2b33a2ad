#include "coordinator/capacity/usl.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"

namespace gnomon::capacity {
namespace {

constexpr double kLevel = 0.95;
constexpr double kFarthestPeak = 10;  // times the highest load

// P(|t| <= x) for whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4).
double student_inside(int degrees, double x) {
  const double angle = std::atan2(x, std::sqrt(static_cast<double>(degrees)));
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1, sum = degrees == 1 ? 0 : term;
  for (int k = odd ? 2 : 1; k <= degrees - 3; k += 2) {
    term *= cosine * cosine * k / (k + 1);
    sum += term;
  }
  return odd ? 2 / M_PI * (angle + sine * sum) : sine * sum;
}

// Parameters alpha, beta, gamma; those not in `free` stay 0. Throughputs are scaled to a maximum of 1.
struct Fit {
  Eigen::Vector3d parameters = Eigen::Vector3d::Zero();
  Eigen::Matrix3d information = Eigen::Matrix3d::Zero();  // J'J over all three
  double squares = 0;
};

double model(const Eigen::Vector3d& p, double n) {
  return p[2] * n / (1 + p[0] * (n - 1) + p[1] * n * (n - 1));
}

Eigen::Vector3d gradient(const Eigen::Vector3d& p, double n) {
  const double bottom = 1 + p[0] * (n - 1) + p[1] * n * (n - 1), value = p[2] * n / bottom;
  return {-value * (n - 1) / bottom, -value * n * (n - 1) / bottom, n / bottom};
}

// The sum of squares at `p`, with J'J and J'r; infinite where the model has a pole among the loads.
double evaluate(const std::vector<Measurement>& data, const Eigen::Vector3d& p, Eigen::Matrix3d& information,
                Eigen::Vector3d& slope) {
  information.setZero();
  slope.setZero();
  double squares = 0;
  for (const Measurement& m : data) {
    if (!(1 + p[0] * (m.load - 1) + p[1] * m.load * (m.load - 1) > 0)) return INFINITY;
    const double residual = m.throughput - model(p, m.load);
    const Eigen::Vector3d g = gradient(p, m.load);
    squares += residual * residual;
    information += g * g.transpose();
    slope += g * residual;
  }
  return squares;
}

// Weighted linear least squares of N / X = (1 + alpha (N-1) + beta N (N-1)) / gamma, weights as errors in X ask.
Eigen::Vector3d start(const std::vector<Measurement>& data, const std::vector<int>& free) {
  const auto count = static_cast<Eigen::Index>(free.size());
  Eigen::MatrixXd normal = Eigen::MatrixXd::Zero(count, count);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(count);
  for (const Measurement& m : data) {
    const double n = m.load, weight = std::pow(m.throughput, 4) / (n * n);
    const Eigen::Vector3d all(n - 1, n * (n - 1), 1);
    Eigen::VectorXd row(count);
    for (Eigen::Index i = 0; i < count; ++i) row[i] = all[free[static_cast<std::size_t>(i)]];
    normal += weight * row * row.transpose();
    right += weight * row * (n / m.throughput);
  }
  const Eigen::VectorXd solution = normal.ldlt().solve(right);
  Eigen::Vector3d out = Eigen::Vector3d::Zero();
  for (Eigen::Index i = 0; i < count; ++i) out[free[static_cast<std::size_t>(i)]] = solution[i];
  if (!(out[2] > 0) || !out.allFinite()) return {0, 0, data.front().throughput / data.front().load};
  return {std::max(0.0, out[0] / out[2]), std::max(0.0, out[1] / out[2]), 1 / out[2]};
}

Fit minimise(const std::vector<Measurement>& data, const std::vector<int>& free) {
  Fit fit;
  fit.parameters = start(data, free);
  Eigen::Vector3d slope, next_slope;
  Eigen::Matrix3d next_information;
  fit.squares = evaluate(data, fit.parameters, fit.information, slope);
  const auto count = static_cast<Eigen::Index>(free.size());
  double damping = 1e-3;
  for (int round = 0; round < 500 && damping < 1e12; ++round) {
    Eigen::MatrixXd normal(count, count);
    Eigen::VectorXd right(count);
    for (Eigen::Index i = 0; i < count; ++i) {
      right[i] = slope[free[static_cast<std::size_t>(i)]];
      for (Eigen::Index j = 0; j < count; ++j)
        normal(i, j) = fit.information(free[static_cast<std::size_t>(i)], free[static_cast<std::size_t>(j)]);
      normal(i, i) *= 1 + damping;
    }
    const Eigen::VectorXd step = normal.ldlt().solve(right);
    Eigen::Vector3d next = fit.parameters;
    for (Eigen::Index i = 0; i < count; ++i) next[free[static_cast<std::size_t>(i)]] += step[i];
    const double squares = evaluate(data, next, next_information, next_slope);
    if (!(squares <= fit.squares)) {
      damping *= 5;
      continue;
    }
    const double change =
        (next - fit.parameters).cwiseQuotient(next.cwiseAbs() + Eigen::Vector3d::Constant(1e-12)).norm();
    fit = {next, next_information, squares};
    slope = next_slope;
    damping = std::max(damping / 5, 1e-12);
    if (change < 1e-12) break;
  }
  return fit;
}

Estimate around(double value, double width) {
  return {value, std::max(0.0, value - width), value + width};
}

void find_peak(Usl& usl, const Eigen::Matrix3d& covariance, double t, double highest_load) {
  const double alpha = usl.alpha.value, beta = usl.beta.value;
  if (!(usl.beta.low > 0) || !(alpha < 1)) return;
  // log N* = (log(1 - alpha) - log beta) / 2; its error by the delta method.
  const Eigen::Vector3d by(-0.5 / (1 - alpha), -0.5 / beta, 0);
  const double load = std::sqrt((1 - alpha) / beta), width = t * std::sqrt(std::max(0.0, by.dot(covariance * by)));
  const Estimate peak{load, load * std::exp(-width), load * std::exp(width)};
  if (!(peak.high <= kFarthestPeak * highest_load)) return;
  usl.peak_load = peak;
  usl.peak_throughput = usl.throughput(load);
}

}  // namespace

double student_t(int degrees, double level) {
  if (degrees < 1 || !(level >= 0 && level < 1)) return std::nan("");
  double low = 0, high = 1;
  while (student_inside(degrees, high) < level && high < 1e18) high *= 2;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (student_inside(degrees, middle) < level ? low : high) = middle;
  }
  return (low + high) / 2;
}

double Usl::throughput(double load) const {
  return model({alpha.value, beta.value, gamma.value}, load);
}

absl::StatusOr<Usl> fit_usl(const std::vector<Measurement>& measurements) {
  std::vector<Measurement> data;
  std::set<double> loads;
  double most = 0;
  for (const Measurement& m : measurements) {
    if (!(m.load > 0 && m.throughput > 0) || !std::isfinite(m.load) || !std::isfinite(m.throughput)) continue;
    data.push_back(m);
    loads.insert(m.load);
    most = std::max(most, m.throughput);
  }
  if (data.size() < 4 || loads.size() < 3)
    return absl::InvalidArgumentError(
        absl::StrCat("the scalability law needs 4 measurements at 3 different loads; there are ", data.size(), " at ",
                     loads.size()));
  for (Measurement& m : data) m.throughput /= most;

  Fit best;
  std::vector<int> best_free;
  for (const std::vector<int>& free : {std::vector<int>{0, 1, 2}, {0, 2}, {1, 2}, {2}}) {
    const Fit fit = minimise(data, free);
    const bool admissible = fit.parameters.allFinite() && fit.parameters.minCoeff() >= 0 && fit.parameters[2] > 0;
    if (!admissible || !(best_free.empty() || fit.squares < best.squares)) continue;
    best = fit;
    best_free = free;
  }
  if (best_free.empty()) return absl::InvalidArgumentError("the measurements do not follow the scalability law");

  Usl usl;
  usl.degrees_of_freedom = static_cast<int>(data.size()) - 3;
  const double variance = best.squares / usl.degrees_of_freedom, t = student_t(usl.degrees_of_freedom, kLevel);
  // Scaled to a unit diagonal before it is inverted: the three parameters differ by orders of magnitude.
  const Eigen::Vector3d scale = best.information.diagonal().cwiseSqrt().cwiseMax(1e-150).cwiseInverse();
  const Eigen::Matrix3d scaled = scale.asDiagonal() * best.information * scale.asDiagonal();
  const Eigen::Matrix3d inverse =
      (scaled + 1e-14 * Eigen::Matrix3d::Identity()).ldlt().solve(Eigen::Matrix3d::Identity());
  const Eigen::Matrix3d covariance = variance * (scale.asDiagonal() * inverse * scale.asDiagonal());
  const Eigen::Vector3d width = t * covariance.diagonal().cwiseMax(0).cwiseSqrt();
  usl.alpha = around(best.parameters[0], width[0]);
  usl.beta = around(best.parameters[1], width[1]);
  usl.gamma = around(best.parameters[2] * most, width[2] * most);
  usl.residual_error = std::sqrt(variance) * most;
  if (usl.alpha.low > 0) usl.contention_limit = usl.gamma.value / usl.alpha.value;
  find_peak(usl, covariance, t, *loads.rbegin());
  return usl;
}

}  // namespace gnomon::capacity
