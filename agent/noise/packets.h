#pragma once
// Owner of the packet noise in the kernel: loss, duplication, refused connections, by a program on tc in the shadow's
// own namespaces (bpf/programs/noise.bpf.c).

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "bpf/abi/noise.h"
#include "common/units.h"

namespace gnomon::noise {

// One device that packets of the service arrive at or leave from, in the network namespace of the calling thread.
struct Hook {
  const char* link = nullptr;
  bool responses = false;  // the service's leave by it
  unsigned number = 0;     // of several programs at the same device: each has its own
};

struct PacketNoise {
  Fraction loss, duplication, refusal;
  bool shape = false;  // responses go to the queue's class
};

class Packets {
 public:
  // Loads the programs; nothing is attached. `port` is the service's, or another's whose connections it is about, and
  // the datagrams of `udp_port`, unless that is 0.
  static absl::StatusOr<std::unique_ptr<Packets>> load(std::uint16_t port, std::uint16_t udp_port = 0);
  virtual ~Packets() = default;
  // Filters stay until their namespace goes: the shadow's.
  virtual absl::Status attach(const Hook& hook) = 0;
  // From the next packet on, at once everywhere. `on` false: all pass.
  virtual void set(const PacketNoise& noise, bool on) = 0;
  // Sums over all CPUs since it was loaded.
  virtual absl::StatusOr<noise_counters> read() const = 0;
};

}  // namespace gnomon::noise
