#pragma once
// A probe that reads what a test has put into it, and keeps what it is told.

#include <map>
#include <span>

#include "agent/probe/probe.h"

namespace gnomon {

class ScriptedProbe final : public probe::Probe {
 public:
  const probe::Capabilities& tried() const override { return capabilities; }
  absl::StatusOr<probe::Slot> take_slot() override { return 0; }
  void release_slot(probe::Slot) override {}
  absl::Status set_thinning(probe::Slot slot, unsigned to) override {
    thinning[slot] = to;
    return absl::OkStatus();
  }
  absl::Status measure_whole(probe::Slot) override { return absl::OkStatus(); }
  absl::Status watch_listener(int, probe::Slot) override { return absl::OkStatus(); }
  absl::Status watch_connection(int, probe::Slot, bool) override { return absl::OkStatus(); }
  absl::Status set_sampled_fraction(probe::Slot slot, Fraction to) override {
    fraction[slot] = to.value;
    return absl::OkStatus();
  }
  absl::Status set_paused(probe::Slot slot, bool to) override {
    paused[slot] = to;
    return absl::OkStatus();
  }
  absl::Status set_responses(probe::Slot, Bytes) override { return absl::OkStatus(); }
  absl::Status set_tls(probe::Slot, std::span<const tls::Library>) override { return absl::OkStatus(); }
  absl::StatusOr<probe::Reading> read(probe::Slot slot) override { return readings[slot]; }
  std::uint64_t missed_runs() const override { return 0; }
  absl::StatusOr<probe_mixes> read_mixes(probe::Slot) override { return probe_mixes{}; }
  absl::StatusOr<std::size_t> poll(const probe::RecordSink&, Nanos) override { return 0; }
  std::map<probe::Slot, probe::Reading> readings;
  std::map<probe::Slot, unsigned> thinning;
  std::map<probe::Slot, double> fraction;
  std::map<probe::Slot, bool> paused;
  probe::Capabilities capabilities;
};

}  // namespace gnomon
