#pragma once
// What a program shows to Prometheus at /metrics: computed when it is asked for, from what is counted anyway.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "prometheus/metric_family.h"
#include "telemetry/counters.h"

namespace gnomon::telemetry {

using Families = std::vector<prometheus::MetricFamily>;

// What was counted of a session so far.
struct SessionTotals {
  std::string session, service;
  TapCounters tap;
  ReplayCounters replay;
};

// A family for each counter: "gnomon_<program>_tap_lost_bytes_total" with the labels session, service and role
// (production for tap, shadow for replay).
Families counter_families(std::string_view program, std::span<const SessionTotals> sessions);

// One series without labels. `name` ends in _total if it is a counter, else it is a gauge.
prometheus::MetricFamily single(std::string name, std::string help, double value);

// gnomon_<program>_build_info, and the process's CPU time and memory under the names that Prometheus's own clients use.
Families process_families(std::string_view program, std::string_view version);

class Exposition {
 public:
  using Collect = std::function<Families()>;
  // Serves http://<address>/metrics from a thread of its own, on which `collect` is called. `address`: "host:port", the
  // port 0 for any. Fails when it cannot listen there.
  static absl::StatusOr<std::unique_ptr<Exposition>> serve(const std::string& address, Collect collect);
  virtual ~Exposition() = default;  // no call is under way afterwards
  virtual int port() const = 0;
};

}  // namespace gnomon::telemetry
