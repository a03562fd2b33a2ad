#pragma once
// Which part of the node injects which kind of noise. Pure: what the kernel has is an argument.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "document/noise.h"

namespace gnomon::noise {

enum class Engine {
  kReplayPath,  // the agent, on each response or connection of the replay
  kTc,          // programs on the packets, in the shadow's namespaces
  kNetem,       // the kernel's network emulator
  kHtb,         // its token bucket
  kForwarder,   // the agent, where it connects to a dependency in the shadow's place
};
const char* name_of(Engine engine);  // "replay path", "tc", "netem", "htb", "forwarder"

// Why each cannot be had on this node; empty: it can.
struct Capabilities {
  std::string tc, htb, netem;
};

struct Use {
  std::string kind;  // the field of NoiseParameters, "response_delay" for all of the delay's
  Engine engine = Engine::kReplayPath;
  friend bool operator==(const Use&, const Use&) = default;
};

// One for each kind that is asked for. kFailedPrecondition, with the remedy, if one cannot be had: noise is never left
// out silently.
absl::StatusOr<std::vector<Use>> choose(const document::Noise& noise, const Capabilities& capabilities);

// The same of the path to a dependency.
absl::StatusOr<std::vector<Use>> choose_for_dependency(const document::Noise& noise, const Capabilities& capabilities);

bool uses(const std::vector<Use>& chosen, Engine engine);
const Use* use_of(const std::vector<Use>& chosen, const std::string& kind);  // null: not asked for

// "replay path (response_delay, error_rate), tc (packet_loss)"; "none".
std::string describe(const std::vector<Use>& chosen);

}  // namespace gnomon::noise
