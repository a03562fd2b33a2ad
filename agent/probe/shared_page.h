#pragma once
// The page on which the agent tells the programs what to do, and they what they have met.

#include <memory>

#include "absl/status/statusor.h"
#include "bpf/abi/probe.h"

namespace gnomon::probe {

struct Unmap {
  void operator()(probe_shared* page) const;
};
using SharedPage = std::unique_ptr<probe_shared, Unmap>;

// Of the map with descriptor `map`, which may be closed then.
absl::StatusOr<SharedPage> map_shared_page(int map);

}  // namespace gnomon::probe
