#pragma once
// Owner of the links of the programs that copy requests: each is there while a slot needs it, as what all services of
// the machine read passes them.

#include <bitset>
#include <cstdint>

#include "absl/status/status.h"
#include "agent/probe/attach.h"
#include "agent/probe/programs.h"
#include "bpf/abi/probe.h"

namespace gnomon::probe {

// Not thread-safe.
class RequestTap {
 public:
  // `object`, and the programs that `choice` names, must be loaded and live longer.
  RequestTap(const bpf_object* object, const Choice& choice) : object_(object), choice_(choice) {}

  // Connections of the slot are sampled, or will be.
  absl::Status follow(std::uint32_t slot);
  // The slot's service takes bytes past the tap: how, is found out from now on, where that can be had.
  void follow_causes(std::uint32_t slot);
  // Some are spliced: they are captured from their packets from now on. False: that cannot be had, or is so already.
  bool follow_packets(std::uint32_t slot);
  void drop(std::uint32_t slot);

 private:
  struct Needed {
    LinkPtr link;
    std::bitset<PROBE_SLOTS> by;
    void drop(std::uint32_t slot) {
      by.reset(slot);
      if (by.none()) link.reset();
    }
  };
  const bpf_object* const object_;
  const Choice& choice_;
  Needed tap_, causes_, packets_;
};

}  // namespace gnomon::probe
