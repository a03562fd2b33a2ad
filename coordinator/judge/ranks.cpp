#include "coordinator/judge/ranks.h"

#include <Eigen/Dense>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <utility>

namespace gnomon::judge {
namespace {

constexpr std::size_t kMostGroups = 128;      // the moments cost its cube
constexpr double kMostArrangements = 200000;  // gone through one by one: up to 10 against 10 values
constexpr std::size_t kMostValues = 1000;     // of each sample; the differences cost its square

struct Cumulants {
  double first = 0, second = 0, third = 0, fourth = 0;  // power sums of the weights
};

// P(sum of weighted chi-squares > x) by the noncentral chi-square of the same skewness and kurtosis.
double upper_tail(double x, const Cumulants& c) {
  const double skewness = c.third / std::pow(c.second, 1.5), kurtosis = c.fourth / (c.second * c.second);
  double a = 1 / skewness, noncentrality = 0, freedom = a * a;
  if (skewness * skewness > kurtosis) {
    a = 1 / (skewness - std::sqrt(skewness * skewness - kurtosis));
    noncentrality = std::max(0.0, skewness * a * a * a - a * a);
    freedom = a * a - 2 * noncentrality;
  }
  const double at = (x - c.first) / std::sqrt(2 * c.second) * std::sqrt(2.0) * a + freedom + noncentrality;
  if (!(at > 0)) return 1;
  if (noncentrality < 1e-9) return boost::math::cdf(boost::math::complement(boost::math::chi_squared(freedom), at));
  return boost::math::cdf(boost::math::complement(boost::math::non_central_chi_squared(freedom, noncentrality), at));
}

struct Quadratic {
  double statistic = 0;
  Cumulants cumulants;
};

// The statistic is a quadratic form in the differences of the distribution functions at the groups' midpoints. Under no
// difference their covariances are h_i (1 - h_j), i < j, so the form's weights are the eigenvalues of M.
Quadratic anderson_darling(const Pooled& pooled) {
  const auto k = static_cast<Eigen::Index>(pooled.groups.size());
  const double n = pooled.count();
  Eigen::VectorXd share(k), middle(k), variance(k);
  double before = 0, control = 0, treatment = 0, sum = 0;
  for (Eigen::Index i = 0; i < k; ++i) {
    const Pooled::Group& group = pooled.groups[static_cast<std::size_t>(i)];
    share(i) = group.count() / n;
    middle(i) = before + share(i) / 2;
    variance(i) = middle(i) * (1 - middle(i)) - share(i) / 4;
    const double difference =
        (treatment + group.treatment / 2) / pooled.treatment - (control + group.control / 2) / pooled.control;
    sum += share(i) * difference * difference / variance(i);
    before += share(i);
    control += group.control;
    treatment += group.treatment;
  }
  Eigen::MatrixXd m(k, k);
  for (Eigen::Index i = 0; i < k; ++i) {
    m(i, i) = share(i);
    for (Eigen::Index j = i + 1; j < k; ++j)
      m(i, j) = m(j, i) = std::sqrt(share(i) * share(j) / (variance(i) * variance(j))) * middle(i) * (1 - middle(j));
  }
  const Eigen::MatrixXd square = m * m;
  return {.statistic = (n - 1) / n * pooled.control * pooled.treatment / n * sum,
          .cumulants = {m.trace(), square.trace(), square.cwiseProduct(m).sum(), square.squaredNorm()}};
}

// P under no difference that the statistic is at least this one, by going through all arrangements of the pooled
// values: how many of each group are treatment's.
class Arrangements {
 public:
  explicit Arrangements(const Pooled& pooled) : pooled_(pooled) {}

  double upper_tail(double statistic) {
    const double n = pooled_.count();
    least_ = statistic * n * n / ((n - 1) * pooled_.control * pooled_.treatment) * (1 - 1e-9);
    all_ = beyond_ = 0;
    go_on(0, 0, 0, 0, 1);
    return beyond_ / all_;
  }

 private:
  // `before` values lie below the group, `treatment` of them treatment's; `ways` arrangements have led here to `sum`.
  void go_on(std::size_t at, double before, double treatment, double sum, double ways) {
    if (at == pooled_.groups.size()) {
      all_ += ways;
      if (sum >= least_) beyond_ += ways;
      return;
    }
    const double here = pooled_.groups[at].count(), n = pooled_.count(), after = n - before - here;
    const double middle = (before + here / 2) / n, variance = middle * (1 - middle) - here / n / 4;
    const double most = std::min(here, pooled_.treatment - treatment);
    double choices = 1;  // here over k
    for (double k = 0; k <= most; ++k) {
      if (k > 0) choices *= (here - k + 1) / k;
      if (pooled_.treatment - treatment - k > after) continue;  // more than is left
      const double difference =
          (treatment + k / 2) / pooled_.treatment - (before - treatment + (here - k) / 2) / pooled_.control;
      go_on(at + 1, before + here, treatment + k, sum + here / n * difference * difference / variance, ways * choices);
    }
  }

  const Pooled& pooled_;
  double least_ = 0, all_ = 0, beyond_ = 0;
};

// Variance of the number of pairs in which treatment is higher, ties counting half.
double rank_sum_variance(const Pooled& pooled) {
  const double n = pooled.count();
  if (n < 2) return 0;
  double ties = 0;
  for (const auto& group : pooled.groups) ties += std::pow(group.count(), 3) - group.count();
  return pooled.control * pooled.treatment / 12 * (n + 1 - ties / (n * (n - 1)));
}

}  // namespace

double least_p_value(double control, double treatment) {
  const double arrangements =
      std::lgamma(control + treatment + 1) - std::lgamma(control + 1) - std::lgamma(treatment + 1);
  return std::min(1.0, 2 * std::exp(-arrangements));
}

RankTest compare_ranks(const Pooled& pooled) {
  RankTest test;
  if (pooled.control < 1 || pooled.treatment < 1) return test;
  double higher = 0, below = 0;
  for (const auto& group : pooled.groups) {
    higher += group.treatment * (below + group.control / 2);
    below += group.control;
  }
  const double pairs = pooled.control * pooled.treatment, variance = rank_sum_variance(pooled);
  test.superiority = higher / pairs;
  if (pooled.groups.size() < 2 || !(variance > 0)) return test;
  test.z = (higher - pairs / 2) / std::sqrt(variance * pooled.inflation);
  const Quadratic form = anderson_darling(coarse(pooled, kMostGroups));
  test.anderson_darling = form.statistic / pooled.inflation;
  if (pooled.inflation == 1 && least_p_value(pooled.control, pooled.treatment) >= 2 / kMostArrangements) {
    test.p_value = Arrangements(pooled).upper_tail(test.anderson_darling);
    return test;
  }
  test.p_value = std::clamp(upper_tail(test.anderson_darling, form.cumulants),
                            least_p_value(pooled.control / pooled.inflation, pooled.treatment / pooled.inflation), 1.0);
  return test;
}

Interval shift_between(const Sample& control, const Sample& treatment, double confidence) {
  const double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (control.empty() || treatment.empty()) return {kNaN, kNaN, kNaN};
  const Pooled pooled = pool(control, treatment);
  const Sample left = coarse(control, kMostValues), right = coarse(treatment, kMostValues);
  std::vector<std::pair<double, double>> differences;
  differences.reserve(left.groups.size() * right.groups.size());
  for (const auto& to : right.groups)
    for (const auto& from : left.groups) differences.emplace_back(to.value - from.value, to.count * from.count);
  std::sort(differences.begin(), differences.end());
  const double pairs = control.count * treatment.count;
  const double z = boost::math::quantile(boost::math::normal(), 0.5 + confidence / 2);
  const double reach = z * std::sqrt(rank_sum_variance(pooled) * pooled.inflation);
  // The first difference with more than `position` pairs at or below it.
  const auto at = [&](double position) {
    double sum = 0;
    for (const auto& [difference, weight] : differences)
      if ((sum += weight) > position) return difference;
    return differences.back().first;
  };
  const double half = pairs / 2;
  return {(at(half - 0.5) + at(half)) / 2, at(half - reach - 0.5), at(half + reach - 0.5)};
}

}  // namespace gnomon::judge
