#pragma once
// Validated NoiseParameters: what a profile does to the shadow's network and responses on purpose.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/delay.h"
#include "common/units.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

struct Noise {
  Nanos response_delay_mean{0};
  Nanos response_delay_stddev{0};
  Fraction error_rate;
  DelayShape response_delay_distribution = DelayShape::kNormal;
  Fraction packet_loss, packet_duplication, packet_reordering;  // of the packets between clients and the shadow
  std::uint64_t rate_limit = 0;                                 // of its responses, bits a second; 0: none
  Fraction connection_refusal, connection_reset;                // of its connections
  bool any() const {
    return delays() || error_rate.value > 0 || on_packets() || connection_refusal.value > 0 ||
           connection_reset.value > 0;
  }
  bool delays() const { return response_delay_mean.count() > 0 || response_delay_stddev.count() > 0; }
  bool on_packets() const {
    return packet_loss.value > 0 || packet_duplication.value > 0 || packet_reordering.value > 0 || rate_limit > 0;
  }
  friend bool operator==(const Noise&, const Noise&) = default;
};

// On the path that one of the service's egress rules opens.
struct DependencyNoise {
  std::string to;  // the rule's
  Noise noise;     // of the dependency's responses, of requests and connections to it; no packets are reordered
  friend bool operator==(const DependencyNoise&, const DependencyNoise&) = default;
};

// Their errors begin with "noise_parameters.", then the field, its value and what is allowed. The first one is of the
// shadow itself, the second one of what it depends on.
absl::StatusOr<Noise> validate(const v1::NoiseParameters& message);
absl::StatusOr<std::vector<DependencyNoise>> validate_dependencies(const v1::NoiseParameters& message);

// "10Mbit", "500kbit", "1.5Gbit": bits a second, from 8kbit to 40Gbit.
absl::StatusOr<std::uint64_t> parse_bit_rate(std::string_view text);

}  // namespace gnomon::document
