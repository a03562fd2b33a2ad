#pragma once
// A closed network of queues with a fixed number of clients (Reiser & Lavenberg, "Mean-value analysis of closed
// multichain queueing networks", J. ACM 27, 1980). Pure.

#include <vector>

namespace gnomon::capacity {

struct Station {
  double demand = 0;  // visits times service time of one visit to one server
  int servers = 1;
};

struct ClosedPoint {
  int clients = 0;
  double throughput = 0;        // per unit of the demands' time
  double response = 0;          // time at the stations, thinking excluded
  std::vector<double> present;  // mean number at each station
};

// The steady state of 1 to `clients` clients who think for `think` between visits. Exact for exponential service, and
// for any service time where a station never queues. Computed by convolution (Buzen 1973) with all terms positive,
// since the recursion of mean values over a multi-server station's probabilities subtracts and loses its digits when
// busy. Empty for no clients, no demand, or an argument that is negative or not finite. Time O(stations clients^2).
std::vector<ClosedPoint> closed_network(const std::vector<Station>& stations, double think, int clients);

// Asymptotic bounds (Denning & Buzen 1978): no number of clients gives more than `throughput`; queueing has set in by
// `clients` = (total demand + think) / largest demand.
struct AsymptoticBounds {
  double throughput = 0, clients = 0;
};
AsymptoticBounds asymptotic_bounds(const std::vector<Station>& stations, double think);

}  // namespace gnomon::capacity
