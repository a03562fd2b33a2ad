#pragma once
// Noise on the paths to what a shadow depends on: by the forwarder, which all of them lead through, and by programs on
// the packets between it and the shadow.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/egress/forwarder.h"
#include "agent/noise/check.h"
#include "agent/noise/engine.h"
#include "agent/noise/packets.h"
#include "document/noise.h"

namespace gnomon::session {

class DependencyNoise {
 public:
  struct Paths {
    std::vector<document::EgressRule> rules;  // that open them
    egress::Forwarder* forwarder = nullptr;   // null: there are none
    int shadow_netns = -1, link_netns = -1;   // with the ends of the shadow's link
  };
  void start(Paths paths) { paths_ = std::move(paths); }

  // Sets up what this noise needs, switched off, in place of the noise so far. Fails where it cannot be had.
  absl::Status adopt(const std::vector<document::DependencyNoise>& noise, const noise::Capabilities& capabilities);
  void switch_to(bool on);

  // Of the noise adopted last, which was on for so long.
  absl::StatusOr<std::vector<noise::Check>> checks(Nanos on) const;
  std::string engines() const;  // "to 10.0.3.7:5432: forwarder (response_delay)"; empty: none
  Nanos longest_delay() const;  // on purpose, of one response

 private:
  struct OnPath {
    std::size_t rule = 0;
    document::DependencyNoise asked;
    std::vector<noise::Use> uses;
    noise_counters before{};  // when it was adopted
  };
  absl::StatusOr<noise::Packets*> packets_of(std::size_t rule);

  Paths paths_;
  std::vector<OnPath> noisy_;
  std::map<std::size_t, std::unique_ptr<noise::Packets>> packets_;  // by rule; attached once
};

}  // namespace gnomon::session
