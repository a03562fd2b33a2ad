#pragma once
// How much the exchanges at each port are thinned: of slots that share a port, the one that is thinned least has its
// way.

#include <array>
#include <bitset>
#include <cstdint>

#include "bpf/abi/probe.h"

namespace gnomon::probe {

// Not thread-safe. What it says on the page takes effect at once.
class PortThinning {
 public:
  explicit PortThinning(probe_shared& page) : page_(page) {}

  void set(std::uint32_t slot, unsigned thinning);
  // The slot is not thinned, whatever is set, until forget().
  void measure_whole(std::uint32_t slot);
  // The slot has a listener there: see probe_port().
  void listen(std::uint32_t slot, std::uint32_t port);
  void forget(std::uint32_t slot);

 private:
  struct OfSlot {
    unsigned thinning = 0;
    bool whole = false;
    std::bitset<PROBE_PORTS> ports;
  };
  void tell();

  probe_shared& page_;
  std::array<OfSlot, PROBE_SLOTS> slots_;
};

}  // namespace gnomon::probe
