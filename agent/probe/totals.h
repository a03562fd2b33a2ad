#pragma once
// What the programs count for each slot, summed over all processors.

#include <cstdint>

#include "absl/status/statusor.h"
#include "bpf/abi/probe.h"
#include "bpf/abi/response.h"

namespace gnomon::probe {

// Of the map with descriptor `map`, since that was made.
absl::StatusOr<probe_measured> measured_totals(int map, std::uint32_t slot);
absl::StatusOr<probe_mixes> mix_totals(int map, std::uint32_t slot);
absl::StatusOr<response_counters> response_totals(int map, std::uint32_t slot);

}  // namespace gnomon::probe
