#pragma once
// One station that serves open arrivals: response times at any rate. Pure.

#include "coordinator/capacity/service_times.h"

namespace gnomon::capacity {

struct StationSettings {
  int servers = 1;
  double per_server = 1;  // what one server's busy time is of the service time; 1 where the servers are what is busy
  // Service with n of c servers busy takes 1 + contention (n-1)/(c-1) + coherency n(n-1)/(c(c-1)) times as long: the
  // scalability law with what it costs at the top as parameters.
  double contention = 0, coherency = 0;
  double variability = 1;
  // Interruptions of all servers (garbage collection, checkpoints): share of time, and length of one.
  double paused_share = 0, pause = 0;
};

class Station {
 public:
  Station(const ServiceTimes& service, const StationSettings& settings) : service_(service), settings_(settings) {}

  struct Response {
    double mean = 0, busy = 0;  // busy: share of servers, an interruption counted
    std::vector<double> quantiles;
  };
  // At arrival `rate` below capacity(); infinite times from there on.
  Response at(double rate, const std::vector<double>& probabilities) const;
  double quantile(double rate, double p) const { return at(rate, {p}).quantiles[0]; }
  // The rate at which all servers are busy all the time.
  double capacity() const;

 private:
  double stretch(int busy) const;
  // Mean share of servers that hold a request during an interruption, in which requests come and none go.
  double occupied(double rate) const;

  ServiceTimes service_;
  StationSettings settings_;
};

}  // namespace gnomon::capacity
