#pragma once
// Turns cumulative readings of production and shadow into samples: what happened since the last look.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/metrics/usage.h"
#include "agent/probe/probe.h"
#include "agent/replay/replayer.h"
#include "telemetry/sample.h"

namespace gnomon::session {

// The difference of two cumulative histograms, `later` having everything that `earlier` has.
telemetry::Histogram difference(const telemetry::Histogram& later, const telemetry::Histogram& earlier);

class Observer {
 public:
  struct Subject {
    probe::Slot slot = 0;
    std::unique_ptr<metrics::UsageReader> usage;
  };
  Observer(probe::Probe& probe, std::string session_id, const Clock& clock, Subject production, Subject shadow);

  // One sample of production and one of the shadow for the span since the last call, both of the given block; a further
  // shadow sample for each reading that belongs to another block (late responses). `capture` is cumulative.
  absl::StatusOr<std::vector<telemetry::Sample>> look(int block, bool settled, const telemetry::TapCounters& capture,
                                                      std::vector<replay::Reading> readings);

  // What is seen from now on says nothing about the recent fraction, as nothing new is sampled, or does again.
  void leave_out_of_recent(bool leave_out) { leave_out_ = leave_out; }
  // Production's process is another one from now on.
  void follow(std::unique_ptr<metrics::UsageReader> usage);

  // Since the observer was made.
  std::uint64_t captured_requests() const { return last_tap_.requests; }
  // The share of production's requests that was captured and chosen lately (older ones count half as much every 5 s);
  // nullopt while too few were to tell.
  std::optional<double> recent_fraction() const;

 private:
  struct Side {
    Subject subject;
    probe::Reading last;
    metrics::Usage last_usage;
  };
  absl::StatusOr<telemetry::Sample> look_at(Side& side, telemetry::Role role);
  absl::Status thin(const telemetry::Sample& production, Nanos span);
  void note_recent(const telemetry::Sample& production, Nanos span);

  probe::Probe& probe_;
  const std::string session_id_;
  const Clock& clock_;
  Side production_, shadow_;
  MonoTime last_look_;
  telemetry::TapCounters last_tap_;
  bool leave_out_ = false;
  unsigned thinning_ = 0;  // of production
  double recent_requests_ = 0, recent_captured_ = 0;
};

}  // namespace gnomon::session
