#include "coordinator/capacity/station_fit.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace gnomon::capacity {
namespace {

enum Parameter {
  kMedian,
  kSlopes,
  kContention = kSlopes + 7,
  kCoherency,
  kVariability,
  kBusyScale,
  kPauseShare,
  kPause
};
constexpr int kPlain = kPauseShare, kWithPauses = kPause + 1;
constexpr int kCount = LoadPoint::kStatistics;
constexpr double kCoupledError = 0.01;  // of the busy share as the servers'

struct Prior {
  double mean = 0, deviation = 1;
};

struct Problem {
  std::vector<LoadPoint> points;
  StationFit frame;
  double busy_mean = 0;  // prior of the logarithm of the busy scale
  double pause_mean = 0;
  std::vector<Prior> priors(const Eigen::VectorXd& at) const;
};

// A random walk of the logarithms of the slopes: service times are near a lognormal law unless the data say otherwise.
std::vector<Prior> Problem::priors(const Eigen::VectorXd& at) const {
  std::vector<Prior> out(static_cast<std::size_t>(at.size()));
  out[kMedian] = {0, 3};
  out[kSlopes + 2] = {-0.3, 1.2};
  for (int i = 3; i < 7; ++i)
    out[static_cast<std::size_t>(kSlopes + i)] = {at[kSlopes + i - 1] - 0.15, i == 6 ? 0.2 : 0.8};
  for (int i = 1; i >= 0; --i) out[static_cast<std::size_t>(kSlopes + i)] = {at[kSlopes + i + 1] + 0.15, 0.4};
  out[kContention] = {0, 0.3};
  out[kCoherency] = {0, 0.3};
  out[kVariability] = {0, 0.15};
  out[kBusyScale] = {busy_mean, frame.coupled ? kCoupledError : 1};
  if (frame.interrupted) {
    out[kPauseShare] = {0, 0.1};
    out[kPause] = {pause_mean, 1.5};
  }
  return out;
}

// Residuals in standard errors, of the data and then of the priors.
Eigen::VectorXd residuals(const Problem& problem, const Eigen::VectorXd& at) {
  const Station station = problem.frame.station(at);
  const auto priors = problem.priors(at);
  Eigen::VectorXd out(static_cast<Eigen::Index>(problem.points.size()) * kCount + at.size());
  Eigen::Index row = 0;
  const double most = 0.995 * station.capacity();
  for (const LoadPoint& point : problem.points) {
    const double rate = std::min(point.rate, most), over = point.rate / rate;
    const Station::Response response = station.at(rate, {0.5, 0.95, 0.99});
    const double model[kCount] = {response.mean, response.quantiles[0], response.quantiles[1], response.quantiles[2],
                                  response.busy};
    for (std::size_t s = 0; s < kCount; ++s, ++row) {
      const double error = (point.log_value[s] - std::log(model[s] * over)) / point.error[s];
      out[row] = std::isfinite(error) ? error : 0;
    }
  }
  for (Eigen::Index i = 0; i < at.size(); ++i, ++row) {
    const Prior& prior = priors[static_cast<std::size_t>(i)];
    out[row] = (at[i] - prior.mean) / prior.deviation;
  }
  return out;
}

Eigen::MatrixXd jacobian(const Problem& problem, const Eigen::VectorXd& at, const Eigen::VectorXd& here) {
  constexpr double kStep = 2e-3;
  Eigen::MatrixXd out(here.size(), at.size());
  for (Eigen::Index i = 0; i < at.size(); ++i) {
    Eigen::VectorXd moved = at;
    moved[i] += kStep;
    out.col(i) = (residuals(problem, moved) - here) / kStep;
  }
  return out;
}

Eigen::VectorXd bounded(Eigen::VectorXd at) {
  for (Eigen::Index i = 0; i < at.size(); ++i) at[i] = std::clamp(at[i], -12.0, 12.0);
  for (int i = 0; i < 7; ++i) at[kSlopes + i] = std::clamp(at[kSlopes + i], -6.0, 2.5);
  return at;
}

// Levenberg-Marquardt with differences for derivatives.
StationFit minimise(const Problem& problem, Eigen::VectorXd at) {
  Eigen::VectorXd here = residuals(problem, at);
  double loss = here.squaredNorm(), damping = 1e-2;
  Eigen::MatrixXd slope = jacobian(problem, at, here), normal = slope.transpose() * slope;
  for (int round = 0; round < 40 && damping < 1e6; ++round) {
    Eigen::MatrixXd damped = normal;
    damped.diagonal() *= 1 + damping;
    const Eigen::VectorXd next = bounded(at - damped.ldlt().solve(slope.transpose() * here));
    const Eigen::VectorXd there = residuals(problem, next);
    const double lower = there.squaredNorm();
    if (!(lower < loss)) {
      damping *= 6;
      continue;
    }
    const bool done = loss - lower < 1e-3;
    at = next;
    here = there;
    loss = lower;
    damping = std::max(damping / 6, 1e-6);
    if (done) break;
    slope = jacobian(problem, at, here);
    normal = slope.transpose() * slope;
  }
  StationFit fit = problem.frame;
  fit.busy_mean = problem.busy_mean;
  fit.pause_mean = problem.pause_mean;
  fit.parameters = at;
  const Eigen::Index data = here.size() - at.size();
  fit.misfit = here.head(data).squaredNorm() / static_cast<double>(data);
  // Laplace: the determinant of the normal matrix against that of the priors, which cancels what the data do not see.
  const auto priors = problem.priors(at);
  fit.loss = loss + normal.ldlt().vectorD().cwiseMax(1e-12).array().log().sum();
  for (const Prior& prior : priors) fit.loss += 2 * std::log(prior.deviation);
  return fit;
}

Eigen::VectorXd start(const Problem& problem) {
  const LoadPoint& light = problem.points.front();
  Eigen::VectorXd at = Eigen::VectorXd::Zero(problem.frame.interrupted ? kWithPauses : kPlain);
  const auto value = [&](LoadPoint::Statistic s, double otherwise) {
    const double log = light.log_value[static_cast<std::size_t>(s)];
    return std::isfinite(log) ? log : otherwise;
  };
  const double mean = value(LoadPoint::kMean, value(LoadPoint::kP50, value(LoadPoint::kP99, 0)));
  const double median = value(LoadPoint::kP50, mean - 0.3), p95 = value(LoadPoint::kP95, median + 1.4);
  const double p99 = value(LoadPoint::kP99, p95 + 0.4);
  at[kMedian] = median;
  const auto slope = [](double rise, double run) { return std::log(std::clamp(rise / run, 0.05, 4.0)); };
  for (int i = 0; i < 5; ++i) at[kSlopes + i] = slope(p95 - median, 1.6449);
  for (int i = 5; i < 7; ++i) at[kSlopes + i] = slope(p99 - p95, 0.6814);
  at[kContention] = at[kCoherency] = 0.15;
  at[kBusyScale] = problem.busy_mean;
  if (problem.frame.interrupted) {
    at[kPauseShare] = 0.08;
    at[kPause] = problem.pause_mean;
  }
  return at;
}

// Where the loss has risen by 1, as it does one standard error from a quadratic's least. The normal matrix alone does
// not say that of parameters that count by their squares, near 0.
void add_asides(const Problem& problem, StationFit& fit) {
  const Eigen::VectorXd here = residuals(problem, fit.parameters);
  const Eigen::MatrixXd slope = jacobian(problem, fit.parameters, here);
  const Eigen::MatrixXd normal = slope.transpose() * slope;
  const Eigen::MatrixXd covariance = normal.ldlt().solve(Eigen::MatrixXd::Identity(normal.rows(), normal.rows()));
  const Eigen::MatrixXd axes = covariance.llt().matrixL();
  for (Eigen::Index i = 0; i < fit.parameters.size(); ++i) {
    for (const double side : {1.0, -1.0}) {
      double length = side;
      for (int round = 0; round < 3; ++round) {
        const double rise =
            residuals(problem, fit.parameters + length * axes.col(i)).squaredNorm() - here.squaredNorm();
        if (rise <= 1.3) break;
        length /= std::min(4.0, std::sqrt(rise));
      }
      fit.asides.push_back(fit.parameters + length * axes.col(i));
    }
  }
}

void keep_better(std::optional<StationFit>& best, const StationFit& fit) {
  if (std::isfinite(fit.loss) && (!best || fit.loss < best->loss)) best = fit;
}

// servers times busy scale, from Little's law at the lightest load whose statistics are all there.
double little(const std::vector<LoadPoint>& points) {
  for (const LoadPoint& point : points) {
    const double count = std::log(point.rate) + point.log_value[LoadPoint::kMean] - point.log_value[LoadPoint::kBusy];
    if (std::isfinite(count)) return std::exp(count);
  }
  return std::nan("");
}

// Interruptions are believed where they explain much that nothing else does.
constexpr double kInterruptionCost = 4;

StationFit fit_servers(Problem problem, int servers, bool coupled, double little_count) {
  problem.frame.servers = servers;
  problem.frame.coupled = coupled;
  problem.busy_mean = coupled ? 0 : std::log(servers / little_count);
  return minimise(problem, start(problem));
}

// Fits with interruptions like `plain` but with `servers`.
std::optional<StationFit> fit_interrupted(Problem problem, const StationFit& plain, int servers) {
  std::optional<StationFit> best;
  problem.frame = plain;
  problem.frame.servers = servers;
  problem.frame.interrupted = true;
  problem.busy_mean = plain.coupled ? 0 : plain.parameters[kBusyScale];
  const double longest = problem.points.back().log_value[LoadPoint::kP99];
  for (const double factor : {0.7, 2.0}) {
    problem.pause_mean = longest + std::log(factor);
    if (!std::isfinite(problem.pause_mean)) break;
    StationFit fit = minimise(problem, start(problem));
    fit.loss += kInterruptionCost;
    keep_better(best, fit);
  }
  return best;
}

// Interruptions keep servers busy too: where there are any, the number of servers is sought again around it.
void try_interruptions(const Problem& problem, std::optional<StationFit>& best) {
  if (!best) return;
  const StationFit plain = *best;
  const auto same = fit_interrupted(problem, plain, plain.servers);
  if (!same || same->loss >= plain.loss) return;
  keep_better(best, *same);
  for (const int servers : {plain.servers - 1, plain.servers + 1})
    if (servers >= 1 && plain.coupled)
      if (const auto other = fit_interrupted(problem, plain, servers)) keep_better(best, *other);
}

}  // namespace

Station StationFit::station(const Eigen::VectorXd& at) const {
  std::array<double, 7> slopes;
  for (int i = 0; i < 7; ++i) slopes[static_cast<std::size_t>(i)] = at[kSlopes + i];
  StationSettings settings;
  settings.servers = servers;
  settings.per_server = std::exp(at[kBusyScale]);
  settings.contention = at[kContention] * at[kContention];
  settings.coherency = at[kCoherency] * at[kCoherency];
  settings.variability = std::exp(at[kVariability]);
  if (interrupted) {
    settings.paused_share = std::min(0.5, at[kPauseShare] * at[kPauseShare]);
    settings.pause = std::exp(at[kPause]);
  }
  return Station(ServiceTimes(at[kMedian], slopes), settings);
}

absl::StatusOr<StationFit> fit_station(const std::vector<LoadPoint>& points) {
  Problem problem;
  problem.points = points;
  const double count = little(points);
  std::optional<StationFit> best;
  constexpr double kMost = 4096;  // servers
  if (count > 0.9 && count < kMost) {
    const int near = static_cast<int>(count + 0.1), aside = count < 40 ? 1 : 0;
    for (int servers = std::max(1, near - aside); servers <= near + aside; ++servers)
      keep_better(best, fit_servers(problem, servers, true, count));
    try_interruptions(problem, best);
  }
  constexpr double kPoor = 4;
  if (!best || best->misfit > kPoor) {
    std::optional<StationFit> loose;
    for (int servers = 1; servers <= 128; servers *= 2) keep_better(loose, fit_servers(problem, servers, false, count));
    try_interruptions(problem, loose);
    if (loose) keep_better(best, *loose);
  }
  if (!best) return absl::InvalidArgumentError("no queueing station explains the load test");
  problem.frame = *best;
  problem.busy_mean = best->busy_mean;
  problem.pause_mean = best->pause_mean;
  add_asides(problem, *best);
  return *best;
}

}  // namespace gnomon::capacity
