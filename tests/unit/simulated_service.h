#pragma once
// Load tests of made-up services, whose truth is known because it can be simulated for longer.

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <random>
#include <vector>

#include "coordinator/capacity/load_test.h"

namespace gnomon::capacity {

using Random = std::mt19937_64;
using Draw = std::function<double(Random&)>;  // of one duration, seconds

inline Draw exponential(double mean) {
  return [mean](Random& random) { return std::exponential_distribution<double>(1 / mean)(random); };
}
inline Draw lognormal(double mean, double variation) {
  const double variance = std::log(1 + variation * variation);
  return [=](Random& random) {
    return std::lognormal_distribution<double>(std::log(mean) - variance / 2, std::sqrt(variance))(random);
  };
}
inline Draw pareto(double mean, double index) {
  return [=](Random& random) {
    const double uniform = std::uniform_real_distribution<double>(1e-12, 1)(random);
    return mean * (index - 1) / index * std::pow(uniform, -1 / index);
  };
}

struct SimulatedService {
  int servers = 1;
  Draw service = exponential(0.01);
  bool shared = false;     // the servers work on all requests at once, instead of in order
  int second_servers = 0;  // of a station behind, first come first served; 0: there is none
  Draw second = exponential(0.01);
  double burst = 0;            // arrivals alternate between 1 + burst and 1 - burst times the rate
  double burst_seconds = 0.5;  // mean length of each
};

struct SimulatedRequest {
  double arrival = 0, latency = 0, busy = 0;  // busy: server seconds at the first station
};

// Leaves each request where it leaves a station of `servers` that serve in the order of arrival.
class Queue {
 public:
  explicit Queue(int servers) {
    for (int i = 0; i < servers; ++i) free_.push(0);
  }
  double leave(double arrival, double service) {
    const double begin = std::max(arrival, free_.top());
    free_.pop();
    free_.push(begin + service);
    return begin + service;
  }

 private:
  std::priority_queue<double, std::vector<double>, std::greater<>> free_;
};

// Times of leaving where each of n requests has min(1, servers / n) of a server. In virtual time, which passes as fast
// as each is served, a request leaves its service time after it came.
inline std::vector<double> shared_leaving(const std::vector<double>& arrivals, const std::vector<double>& services,
                                          int servers) {
  std::vector<double> out(arrivals.size());
  std::priority_queue<std::pair<double, std::size_t>, std::vector<std::pair<double, std::size_t>>, std::greater<>>
      present;
  double now = 0, virtual_now = 0;
  const auto advance = [&](double until) {
    while (!present.empty()) {
      const double speed = std::min(1.0, servers / static_cast<double>(present.size()));
      const double leaves = now + (present.top().first - virtual_now) / speed;
      if (leaves > until) {
        virtual_now += (until - now) * speed;
        break;
      }
      virtual_now = present.top().first;
      now = out[present.top().second] = leaves;
      present.pop();
    }
    now = until;
  };
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    advance(arrivals[i]);
    present.emplace(virtual_now + services[i], i);
  }
  advance(1e18);
  return out;
}

inline std::vector<double> arrivals_of(const SimulatedService& service, double rate, double seconds, Random& random) {
  std::vector<double> out;
  double now = 0, switch_at = 0;
  bool high = false;
  while (now < seconds) {
    if (service.burst > 0 && now >= switch_at) {
      high = !high;
      switch_at = now + exponential(service.burst_seconds)(random);
    }
    const double next = now + exponential(1 / (rate * (1 + (high ? service.burst : -service.burst))))(random);
    if (service.burst > 0 && next > switch_at) {
      now = switch_at;  // without memory, it starts anew at the other rate
      continue;
    }
    now = next;
    out.push_back(now);
  }
  return out;
}

inline std::vector<SimulatedRequest> simulate(const SimulatedService& service, double rate, double seconds,
                                              Random& random) {
  const std::vector<double> arrivals = arrivals_of(service, rate, seconds, random);
  std::vector<double> times, leaving;
  for (std::size_t i = 0; i < arrivals.size(); ++i) times.push_back(service.service(random));
  if (service.shared) {
    leaving = shared_leaving(arrivals, times, service.servers);
  } else {
    Queue queue(service.servers);
    for (std::size_t i = 0; i < arrivals.size(); ++i) leaving.push_back(queue.leave(arrivals[i], times[i]));
  }
  Queue behind(std::max(1, service.second_servers));
  std::vector<std::size_t> order(arrivals.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return leaving[a] < leaving[b]; });
  std::vector<SimulatedRequest> out(arrivals.size());
  for (const std::size_t i : order) {
    const double left = service.second_servers > 0 ? behind.leave(leaving[i], service.second(random)) : leaving[i];
    out[i] = {arrivals[i], left - arrivals[i], times[i]};
  }
  return out;
}

inline double latency_quantile(std::vector<double> latencies, double q) {
  const auto at = latencies.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(latencies.size() - 1));
  std::nth_element(latencies.begin(), at, latencies.end());
  return *at;
}

// Four windows of 15 s at each rate, each after 5 s that do not count.
inline std::vector<Window> load_test_of(const SimulatedService& service, const std::vector<double>& rates,
                                        Random& random) {
  constexpr double kWarm = 5, kWindow = 15;
  std::vector<Window> out;
  for (const double rate : rates) {
    const auto requests = simulate(service, rate, kWarm + 4 * kWindow, random);
    for (int w = 0; w < 4; ++w) {
      const double begin = kWarm + w * kWindow;
      std::vector<double> latencies;
      double sum = 0, busy = 0;
      for (const SimulatedRequest& request : requests) {
        if (request.arrival < begin || request.arrival >= begin + kWindow) continue;
        latencies.push_back(request.latency);
        sum += request.latency;
        busy += request.busy;
      }
      if (latencies.empty()) continue;
      const double count = static_cast<double>(latencies.size());
      out.push_back({rate, count / kWindow, sum / count, latency_quantile(latencies, 0.5),
                     latency_quantile(latencies, 0.95), latency_quantile(latencies, 0.99), count,
                     std::min(1.0, busy / kWindow / service.servers), 0});
    }
  }
  return out;
}

// The p99 of about `count` requests at `rate`.
inline double true_p99(const SimulatedService& service, double rate, double count, Random random) {
  std::vector<double> latencies;
  for (const SimulatedRequest& request : simulate(service, rate, count / rate, random))
    if (request.arrival > 0.1 * count / rate) latencies.push_back(request.latency);
  return latency_quantile(latencies, 0.99);
}

// The highest rate whose p99 is within `objective`, by bisection with the same random numbers.
inline double true_max_rate(const SimulatedService& service, double objective, double capacity, double count,
                            const Random& random) {
  double low = 0.3 * capacity, high = 0.995 * capacity;
  for (int round = 0; round < 9; ++round) {
    const double middle = (low + high) / 2;
    (true_p99(service, middle, count, random) <= objective ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace gnomon::capacity
