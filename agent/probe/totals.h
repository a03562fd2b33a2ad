#pragma once
// What the programs have counted for each slot since it was taken, summed over all processors.

#include <array>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "agent/probe/probe.h"

namespace gnomon::probe {

// Not thread-safe.
class Totals {
 public:
  struct Maps {
    int measured, mixes, responded;  // descriptors
  };
  explicit Totals(const Maps& maps) : maps_(maps) {}

  // All counters of the slot begin at zero.
  absl::Status begin(Slot slot);
  void end(Slot slot) { measured_[slot].reset(); }
  // Between the two.
  absl::StatusOr<Reading> read(Slot slot) const;
  absl::StatusOr<probe_mixes> read_mixes(Slot slot) const;

 private:
  const Maps maps_;
  // At the begin.
  std::array<std::unique_ptr<probe_measured>, PROBE_SLOTS> measured_;
  std::array<response_counters, PROBE_SLOTS> responded_{};
};

}  // namespace gnomon::probe
