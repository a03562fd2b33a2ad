#include "coordinator/capacity/queueing.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::capacity {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The t at which `beyond`, falling from 1, is 1 - p.
template <class Survival>
double invert(const Survival& beyond, double p, double scale) {
  const double target = 1 - p;
  double low = 0, high = scale;
  while (beyond(high) > target) {
    low = high;
    high *= 2;
    if (!std::isfinite(high)) return kInfinity;
  }
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = low + (high - low) / 2;
    (beyond(middle) > target ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

bool is_probability(double p) {
  return p >= 0 && p < 1;
}

}  // namespace

double erlang_b(int servers, double offered) {
  if (servers < 0 || !(offered >= 0)) return kNaN;
  if (std::isinf(offered)) return 1;
  double blocked = 1;
  for (int n = 1; n <= servers; ++n) blocked = offered * blocked / (n + offered * blocked);
  return blocked;
}

double erlang_c(int servers, double offered) {
  if (servers < 1 || !(offered >= 0)) return kNaN;
  if (offered >= servers) return 1;
  const double blocked = erlang_b(servers, offered);
  return servers * blocked / (servers - offered * (1 - blocked));
}

double erlang_b_offered(int servers, double blocking) {
  if (servers < 1 || !(blocking > 0 && blocking < 1)) return kNaN;
  return invert([&](double offered) { return 1 - erlang_b(servers, offered); }, blocking, servers);
}

Mmc::Mmc(int servers, double arrival_rate, double service_rate)
    : servers_(servers), arrival_(arrival_rate), service_(service_rate), offered_(arrival_rate / service_rate) {
  const bool valid = servers >= 1 && arrival_rate >= 0 && service_rate > 0 && std::isfinite(offered_);
  if (!valid) offered_ = kNaN;
  delayed_ = erlang_c(servers, offered_);
  drain_ = servers * service_ - arrival_;
}

Means Mmc::means() const {
  if (std::isnan(offered_)) return {kNaN, kNaN, kNaN, kNaN};
  if (drain_ <= 0) return {kInfinity, kInfinity, kInfinity, kInfinity};
  const double waiting = delayed_ / drain_, sojourn = waiting + 1 / service_;
  return {waiting, sojourn, arrival_ * waiting, arrival_ * sojourn};
}

double Mmc::waiting_beyond(double t) const {
  if (std::isnan(offered_) || !(t >= 0)) return kNaN;
  return drain_ > 0 ? delayed_ * std::exp(-drain_ * t) : 1;
}

double Mmc::sojourn_beyond(double t) const {
  if (std::isnan(offered_) || !(t >= 0)) return kNaN;
  if (drain_ <= 0) return 1;
  // Served at once: exp(-mu t). Otherwise a wait of rate d besides: exp(-mu t) + mu (exp(-mu t) - exp(-d t)) / (d -
  // mu), whose last term loses its digits where the rates are close and becomes mu t exp(-mu t) (1 - e^-x) / x there.
  const double served = std::exp(-service_ * t), x = (drain_ - service_) * t;
  const double both = std::abs(x) > 0.5 ? service_ * (served - std::exp(-drain_ * t)) / (drain_ - service_)
                                        : service_ * t * served * (x == 0 ? 1 : -std::expm1(-x) / x);
  return served + delayed_ * both;
}

double Mmc::waiting_quantile(double p) const {
  if (std::isnan(offered_) || !is_probability(p)) return kNaN;
  if (drain_ <= 0) return kInfinity;
  return std::max(0.0, std::log(delayed_ / (1 - p)) / drain_);
}

double Mmc::sojourn_quantile(double p) const {
  if (std::isnan(offered_) || !is_probability(p)) return kNaN;
  if (drain_ <= 0) return kInfinity;
  return p == 0 ? 0 : invert([this](double t) { return sojourn_beyond(t); }, p, 1 / service_);
}

Mmck mmck(int servers, int places, double arrival_rate, double service_rate) {
  const double offered = arrival_rate / service_rate;
  const bool valid =
      servers >= 1 && places >= servers && arrival_rate >= 0 && service_rate > 0 && std::isfinite(offered);
  if (!valid) return {kNaN, kNaN, {kNaN, kNaN, kNaN, kNaN}};
  // Relative probabilities of 0..places present, made smaller together whenever the last grows large.
  double last = 1, sum = 1, present = 0, queued = 0;
  for (int n = 1; n <= places; ++n) {
    last *= offered / std::min(n, servers);
    sum += last;
    present += n * last;
    queued += std::max(n - servers, 0) * last;
    if (last > 1e100)
      for (double* value : {&last, &sum, &present, &queued}) *value *= 1e-100;
  }
  const double blocked = last / sum, accepted = arrival_rate * (1 - blocked);
  Mmck out{blocked, accepted, {0, 1 / service_rate, queued / sum, present / sum}};
  if (accepted > 0) {
    out.means.waiting = out.means.queued / accepted;
    out.means.sojourn = out.means.present / accepted;
  }
  return out;
}

Means mg1(double arrival_rate, double mean_service, double cv2) {
  const double rho = arrival_rate * mean_service;
  if (!(arrival_rate >= 0) || !(mean_service > 0) || !(cv2 >= 0)) return {kNaN, kNaN, kNaN, kNaN};
  if (!(rho < 1)) return {kInfinity, kInfinity, kInfinity, kInfinity};
  const double waiting = rho * (1 + cv2) / (2 * (1 - rho)) * mean_service;
  return {waiting, waiting + mean_service, arrival_rate * waiting, arrival_rate * waiting + rho};
}

}  // namespace gnomon::capacity
