#pragma once
// Exact results of queueing theory (Gross, Shortle, Thompson & Harris, "Fundamentals of Queueing Theory"; Kleinrock,
// "Queueing Systems" I). Pure. Rates are per unit of time, times in that same unit. Arguments outside a function's
// domain (negative, NaN, no server) give NaN; a queue that grows for ever has infinite times and lengths.

#include <vector>

namespace gnomon::capacity {

// Probability that an arrival is lost in M/G/c/c (Erlang 1917): B(n) = a B(n-1) / (n + a B(n-1)), which is stable for
// any number of servers. `offered` is the load in Erlangs, arrival rate times mean service time.
double erlang_b(int servers, double offered);
// Probability that an arrival waits in M/M/c; 1 from `offered` = `servers` on.
double erlang_c(int servers, double offered);
// The offered load at which erlang_b() is `blocking`, in (0, 1).
double erlang_b_offered(int servers, double blocking);

// Mean times in and numbers at a queue in steady state.
struct Means {
  double waiting = 0, sojourn = 0, queued = 0, present = 0;
};

// M/M/c, first come first served; M/M/1 is its case of one server.
class Mmc {
 public:
  Mmc(int servers, double arrival_rate, double service_rate);
  double utilisation() const { return offered_ / servers_; }
  double delayed() const { return delayed_; }  // share that waits
  Means means() const;
  // P(waiting > t) and P(sojourn > t).
  double waiting_beyond(double t) const;
  double sojourn_beyond(double t) const;
  // The time that a share of `p` in [0, 1) does not exceed; infinite when unstable. Relative error below 1e-12.
  double waiting_quantile(double p) const;
  double sojourn_quantile(double p) const;

 private:
  int servers_;
  double arrival_, service_, offered_, delayed_, drain_;  // drain: rate at which the conditional wait decays
};

// M/M/c/K: at most `places` at the queue, those in service counted; who finds it full is lost.
struct Mmck {
  double blocked = 0, accepted_rate = 0;
  Means means;  // of those accepted
};
Mmck mmck(int servers, int places, double arrival_rate, double service_rate);

// M/G/1 (Pollaczek 1930, Khinchine 1932): waiting = rho (1 + cv2) / (2 (1 - rho)) service; `cv2` is the squared
// coefficient of variation of the service time.
Means mg1(double arrival_rate, double mean_service, double cv2);

}  // namespace gnomon::capacity
