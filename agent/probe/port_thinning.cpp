#include "agent/probe/port_thinning.h"

#include <algorithm>
#include <atomic>
#include <optional>

namespace gnomon::probe {

void PortThinning::set(std::uint32_t slot, unsigned thinning) {
  slots_[slot].thinning = thinning;
  tell();
}

void PortThinning::measure_whole(std::uint32_t slot) {
  slots_[slot].whole = true;
  tell();
}

void PortThinning::listen(std::uint32_t slot, std::uint32_t port) {
  slots_[slot].ports.set(port);
  tell();
}

void PortThinning::forget(std::uint32_t slot) {
  slots_[slot] = {};
  tell();
}

void PortThinning::tell() {
  for (std::size_t port = 0; port < PROBE_PORTS; ++port) {
    std::optional<unsigned> least;
    for (const OfSlot& of : slots_)
      if (of.ports[port]) least = std::min(least.value_or(PROBE_MOST_THINNING), of.whole ? 0 : of.thinning);
    std::atomic_ref<__u8>(page_.thinning[port]) = static_cast<__u8>(least.value_or(0));
  }
}

}  // namespace gnomon::probe
