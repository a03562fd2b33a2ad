#pragma once
// Reaches what a shadow may reach, in its place: accepts at the agent's end of its link what the guard sends there, and
// connects from the agent's own network. A shadow never has a route.

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/egress/guard.h"
#include "agent/egress/path.h"
#include "common/unique_fd.h"

namespace gnomon::egress {

// Sockets at the agent's end of the link, made before the guard is loaded, which has to know their ports.
struct Listeners {
  std::vector<UniqueFd> tcp;  // for each rule
  std::vector<UniqueFd> udp;  // for each rule that names one address and port; else none
  Ports ports;
};

// In the calling thread's network namespace, that of the link's end. None without rules; none of IPv6 where the
// namespace has no such address.
absl::StatusOr<Listeners> listen_for(const Link& link, const std::vector<EgressRule>& rules);

class Forwarder {
 public:
  static constexpr std::size_t kMostConnections = 512;  // at once; further ones are reset
  static constexpr std::size_t kMostPeers = 512;        // that datagrams are exchanged for at once
  static constexpr std::size_t kMostHeld = 1u << 20;    // bytes of responses that wait to be due, for each of either

  struct Totals {
    std::uint64_t accepted = 0, connected = 0;
    std::uint64_t failed = 0;   // destinations that could not be connected to: the shadow's connection was reset
    std::uint64_t refused = 0;  // beyond a bound above, or of nobody that the guard knows
    std::uint64_t datagrams = 0, dropped = 0;
  };

  // Starts its thread, in the caller's network namespace: what is connected to is reached from there. `guard` must live
  // longer. Delays are drawn from `seed`.
  static absl::StatusOr<std::unique_ptr<Forwarder>> start(Listeners listeners, std::vector<EgressRule> rules,
                                                          Guard& guard, std::uint64_t seed);
  virtual ~Forwarder() = default;  // ends all connections
  virtual Totals totals() const = 0;

  // Of the path that this rule opens. Thread-safe; they wait for the forwarder's thread.
  virtual void set_noise(std::size_t rule, const PathNoise& noise) = 0;
  virtual PathTally noise_tally(std::size_t rule) const = 0;
  // On all paths at once; off to begin with, and after set_noise().
  virtual void switch_noise(bool on) = 0;
  virtual const Ports& ports() const = 0;
};

}  // namespace gnomon::egress
