#pragma once
// The noise of one session: which engine injects what, when it is on, and whether what was injected is what was asked
// for.

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/noise/check.h"
#include "agent/noise/engine.h"
#include "agent/noise/packets.h"
#include "agent/noise/shaper.h"
#include "agent/replay/replayer.h"
#include "agent/session/dependency_noise.h"
#include "agent/shadow/shadow.h"
#include "common/clock.h"
#include "common/unique_fd.h"
#include "document/profile.h"

namespace gnomon::session {

class NoiseControl {
 public:
  NoiseControl(const document::Profile& profile, const Clock& clock) : clock_(clock), wanted_(noise_of(profile)) {}

  // Sets up around the shadow what the noise needs of the node, switched off. `rules` are of its egress. Fails with the
  // remedy where what is asked for cannot be had.
  absl::Status start(const shadow::Shadow& shadow, const std::vector<document::EgressRule>& rules);

  // The profile's, from the next treatment on. Thread-safe.
  void set(const document::Profile& profile);

  // Noise is on from here (a treatment block) or off. Returns what the replay path injects meanwhile.
  absl::StatusOr<noise::NoiseModel> enter(int block, bool treatment);

  // What the replay path did, for the checks.
  void take(std::span<const replay::Reading> readings);

  // Of all treatment since the noise was last changed. Its counters are those of the kernel, now.
  absl::StatusOr<std::vector<noise::Check>> checks();

  std::string engines() const;
  // How long answers may be waited for on purpose.
  Nanos longest_delay() const {
    return noise_.own.response_delay_mean + 4 * noise_.own.response_delay_stddev + dependencies_.longest_delay();
  }

 private:
  struct Noise {
    document::Noise own;
    std::vector<document::DependencyNoise> dependencies;
    friend bool operator==(const Noise&, const Noise&) = default;
  };
  static Noise noise_of(const document::Profile& profile) { return {profile.noise, profile.dependencies}; }
  absl::Status adopt(const Noise& noise);
  absl::Status need_packets();
  absl::Status need_shaper();
  absl::Status switch_packets(bool on);
  bool by(const char* kind, noise::Engine engine) const;
  noise::NoiseModel model() const;

  const Clock& clock_;
  std::mutex mutex_;             // guards wanted_
  std::optional<Noise> wanted_;  // not adopted yet
  Noise noise_;
  DependencyNoise dependencies_;

  UniqueFd shadow_netns_;
  int replay_netns_ = -1;
  bool inside_ = false;  // the replayer is in the shadow's namespace: all goes over its loopback
  std::uint16_t port_ = 0;
  std::optional<noise::Capabilities> capabilities_;  // of the node; looked at when it matters
  std::vector<noise::Use> uses_;
  std::unique_ptr<noise::Packets> packets_;  // null: not needed so far
  std::unique_ptr<noise::Shaper> shaper_;

  std::set<int> treated_;  // blocks with the noise as it is now
  noise::Tally tally_;
  noise_counters packets_before_{};  // when it was last changed
  noise::Shaper::Totals shaped_before_;
  std::optional<MonoTime> on_since_;
  Nanos on_for_{0};
};

}  // namespace gnomon::session
