#include "coordinator/judge/counts.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <limits>

namespace gnomon::judge {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// Probability of `k` and of more than k, in a distribution over integers with this logarithm of its probabilities, up
// to `last`. Stops where what is left cannot matter: the probabilities fall beyond their mode.
struct Upper {
  double at = 0, above = 0;
  double mid_p() const { return at / 2 + above; }
};

Upper upper_part(double k, double last, const std::function<double(double)>& log_probability) {
  Upper upper{.at = std::exp(log_probability(k)), .above = 0};
  double before = upper.at;
  for (double i = k + 1; i <= last; ++i) {
    const double here = std::exp(log_probability(i));
    upper.above += here;
    if (here < before && here < 1e-17 * (upper.above + 1e-280)) break;
    before = here;
  }
  return upper;
}

// Wilson's (1927) interval of a share.
Interval wilson(const Proportion& of, double z) {
  const double share = of.events / of.trials, square = z * z / of.trials;
  const double centre = (share + square / 2) / (1 + square);
  const double reach = z * std::sqrt(share * (1 - share) / of.trials + square / (4 * of.trials)) / (1 + square);
  return {share, std::max(0.0, centre - reach), std::min(1.0, centre + reach)};
}

void set_p_values(CountTest& test, double mid_p_more) {
  test.p_more = std::min(1.0, mid_p_more);
  test.p_value = std::min(1.0, 2 * std::min(mid_p_more, 1 - mid_p_more));
}

// P(K > k) + P(K = k) / 2 for K binomial.
double binomial_mid_p(double k, double n, double share) {
  const boost::math::binomial distribution(n, std::clamp(share, 0.0, 1.0));
  return boost::math::cdf(boost::math::complement(distribution, k)) + boost::math::pdf(distribution, k) / 2;
}

// The share at which the mid-p of k out of n is `level`: a limit by bisection, as the mid-p rises with the share.
double share_with_mid_p(double k, double n, double level) {
  double low = 0, high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (binomial_mid_p(k, n, middle) < level ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

CountTest compare_proportions(const Proportion& control, const Proportion& treatment, double confidence) {
  CountTest test;
  test.effect = {kNaN, kNaN, kNaN};
  if (!(control.trials > 0) || !(treatment.trials > 0)) return test;
  const double events = control.events + treatment.events, trials = control.trials + treatment.trials;
  const double most = std::min(events, treatment.trials);
  const auto log_probability = [&](double k) {
    if (events - k > control.trials) return -kInfinity;
    return log_choose(treatment.trials, k) + log_choose(control.trials, events - k) - log_choose(trials, events);
  };
  if (events > 0 && events < trials) set_p_values(test, upper_part(treatment.events, most, log_probability).mid_p());
  const double z = boost::math::quantile(boost::math::normal(), 0.5 + confidence / 2);
  const Interval from = wilson(control, z), to = wilson(treatment, z);
  const double difference = to.estimate - from.estimate;
  test.effect = {difference, difference - std::hypot(to.estimate - to.low, from.high - from.estimate),
                 difference + std::hypot(to.high - to.estimate, from.estimate - from.low)};
  return test;
}

CountTest compare_rates(const Rate& control, const Rate& treatment, double confidence) {
  CountTest test;
  test.effect = {kNaN, kNaN, kNaN};
  const double events = control.events + treatment.events;
  if (!(control.exposure > 0) || !(treatment.exposure > 0) || !(events > 0)) return test;
  const double share = treatment.exposure / (control.exposure + treatment.exposure);
  set_p_values(test, binomial_mid_p(treatment.events, events, share));
  const auto ratio = [&](double of_events) {
    return of_events < 1 ? of_events / (1 - of_events) * control.exposure / treatment.exposure : kInfinity;
  };
  const double level = (1 - confidence) / 2;
  test.effect.estimate = ratio(treatment.events / events);
  test.effect.low = treatment.events > 0 ? ratio(share_with_mid_p(treatment.events, events, level)) : 0;
  test.effect.high = control.events > 0 ? ratio(share_with_mid_p(treatment.events, events, 1 - level)) : kInfinity;
  return test;
}

Proportion share_of(const Sample& sample, double value) {
  Proportion share{.trials = sample.count};
  for (const auto& group : sample.groups)
    if (group.value == value) share.events = group.count;
  return share;
}

}  // namespace gnomon::judge
