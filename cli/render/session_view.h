#pragma once
// A session as it is watched: everything the live view, the verdict and the report are drawn from. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/units.h"
#include "gnomon/v1/query.pb.h"
#include "telemetry/sample.h"

namespace gnomon::cli {

// One sample, reduced to what is shown of it.
struct Point {
  std::int64_t end_unix_ms = 0;
  bool shadow = false;
  int block = -1;
  double seconds = 0;
  double requests_per_second = 0;
  std::optional<double> error_rate;  // 5xx seen in the kernel for production; failed replays for the shadow
  std::optional<Nanos> service_p50, service_p99, response_p50, response_p99;
  double cpu = 0;        // processors used
  double throttled = 0;  // share of the time
  Bytes memory;
};

class SessionView {
 public:
  // The session as it is now and what was measured since. A sample that does not decode is counted.
  void add(const v1::SessionEvent& event);

  const v1::Session& session() const { return session_; }
  const std::vector<Point>& points() const { return points_; }
  const Point* latest(bool shadow) const;
  // The coordinator's totals when it sent them, else the sum of the samples.
  telemetry::TapCounters tap() const;
  telemetry::ReplayCounters replay() const;
  std::uint64_t undecodable_samples() const { return undecodable_; }

  // As the node tells it.
  const v1::SessionProgress& progress() const { return session_.status().progress(); }
  const v1::Block* current_block() const;

 private:
  void add_sample(const telemetry::Sample& sample);

  v1::Session session_;
  std::vector<Point> points_;
  std::optional<std::size_t> latest_[2];
  telemetry::TapCounters tap_;
  telemetry::ReplayCounters replay_;
  std::uint64_t undecodable_ = 0;
};

bool has_ended(v1::SessionState state);
// "running", "failed": for people.
std::string state_name(v1::SessionState state);
std::string block_kind_name(v1::BlockKind kind);

// What was lost on the way, as "3 shed, 1 broken stream"; empty when nothing was.
std::string describe_losses(const telemetry::TapCounters& tap, const telemetry::ReplayCounters& replay);

// The name and number of every counter, in the order that a request passes them, with what it means.
struct CounterRow {
  std::string name;
  std::uint64_t count = 0;
  std::string meaning;
  bool loss = false;
};
std::vector<CounterRow> counter_rows(const telemetry::TapCounters& tap, const telemetry::ReplayCounters& replay);

}  // namespace gnomon::cli
