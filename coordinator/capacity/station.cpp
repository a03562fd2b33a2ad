#include "coordinator/capacity/station.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::capacity {

double Station::stretch(int busy) const {
  const double n = busy, c = settings_.servers;
  if (settings_.servers < 2 || busy < 2) return 1;
  return 1 + settings_.contention * (n - 1) / (c - 1) + settings_.coherency * n * (n - 1) / (c * (c - 1));
}

double Station::capacity() const {
  return (1 - settings_.paused_share) * settings_.servers /
         (settings_.per_server * service_.mean() * stretch(settings_.servers));
}

double Station::occupied(double rate) const {
  if (settings_.paused_share <= 0) return 0;
  const double used = rate / capacity(), length = settings_.pause / service_.mean();  // in service times
  const double full = (1 - used) / used;
  if (full >= length) return used * (1 + length / 2);
  return 1 - full * (1 - used) / 2 / length;
}

Station::Response Station::at(double rate, const std::vector<double>& probabilities) const {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const double utilisation = rate / capacity();
  if (!(utilisation < 1)) return {kInfinity, 1, std::vector<double>(probabilities.size(), kInfinity)};
  // Birth and death: 0 to c - 1 present, then geometric. Relative probabilities are kept from overflowing.
  const int servers = settings_.servers;
  const double offered = rate * settings_.per_server * service_.mean() / (1 - settings_.paused_share);
  double here = 1, idle = 0, stretched = 0, serving = 0;
  for (int n = 0; n < servers; ++n) {
    idle += here;
    stretched += here * stretch(n + 1);
    serving += here * n;
    here *= offered * stretch(n + 1) / (n + 1);
    if (here > 1e100)
      for (double* value : {&here, &idle, &stretched, &serving}) *value *= 1e-100;
  }
  const double waiting = here / (1 - utilisation), total = idle + waiting;
  const double mean_stretch = stretched / idle, full = stretch(servers);
  const double delayed = waiting / total;

  const Delay::Load load{
      servers,        utilisation,           delayed,
      full,           settings_.variability, std::min(1.0, settings_.paused_share / (1 - utilisation)),
      settings_.pause};
  const Delay delay(service_, load);
  Response out;
  out.mean = service_.mean() * ((1 - delayed) * mean_stretch + delayed * full) + delay.mean();
  out.busy = (serving + waiting * servers) / total / servers * (1 - settings_.paused_share) +
             settings_.paused_share * occupied(rate);
  const double after =
      delay.delayed() > 0 ? mean_stretch + (full - mean_stretch) * std::min(1.0, delayed / delay.delayed()) : 1;
  const auto beyond = [&](double t) {
    double sum = 0;
    for (std::size_t i = 0; i < service_.points().size(); ++i)
      sum += service_.weights()[i] * delay.beyond(t - after * service_.points()[i]);
    return (1 - delay.delayed()) * service_.beyond(t / mean_stretch) + delay.delayed() * sum;
  };
  for (const double p : probabilities) {
    double low = 0, high = service_.mean();
    while (beyond(high) > 1 - p && high < 1e12 * service_.mean()) {
      low = high;
      high *= 2;
    }
    double low_value = beyond(low) - (1 - p), high_value = beyond(high) - (1 - p);
    // Illinois' method: false position that cannot stall.
    for (int i = 0; i < 40 && high - low > 1e-7 * high; ++i) {
      double middle = low + (high - low) * low_value / (low_value - high_value);
      if (!(middle > low && middle < high)) middle = (low + high) / 2;
      const double value = beyond(middle) - (1 - p);
      if (value > 0) {
        low = middle;
        low_value = value;
        high_value /= 2;
      } else {
        high = middle;
        high_value = value;
        low_value /= 2;
      }
    }
    out.quantiles.push_back((low + high) / 2);
  }
  return out;
}

}  // namespace gnomon::capacity
