#pragma once
// A validated ServiceDescriptor.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/units.h"
#include "document/comparison.h"
#include "document/egress.h"
#include "document/image_name.h"
#include "document/readiness.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

// What a service's clients may be said to speak; "auto": each connection's first bytes tell.
inline constexpr std::string_view kAutoProtocol = "auto";
inline constexpr std::string_view kProtocols[] = {"http1", "http2", "postgres", "memcached", "redis", "raw"};

// What the sampled fraction is of; the first is the default.
inline constexpr std::string_view kSampleBy[] = {"connection", "request", "user", "key"};
inline constexpr std::string_view kSampleByHeader = "header:";

// The bounds of shadow.max_request_bytes, and what it is unless told.
inline constexpr Bytes kLeastMaxRequest{64u << 10}, kMostMaxRequest{32u << 20}, kDefaultMaxRequest{8u << 20};

struct Service {
  std::string name;
  std::uint16_t port = 0;
  std::optional<std::int32_t> pid;
  std::optional<Nanos> slo_latency_p99;
  std::optional<Fraction> slo_error_rate;
  Readiness readiness;  // of its shadows
  // Of its p99 service time; a session that is certain to cost more is ended. nullopt: none is.
  std::optional<Fraction> max_production_cost{Fraction{0.02}};
  Fraction sampled_fraction{0.05};
  std::string sample_by{kSampleBy[0]};     // one of kSampleBy, or kSampleByHeader and a name
  Bytes max_request = kDefaultMaxRequest;  // larger ones are counted and not replayed
  std::vector<std::string> replay_writes;  // classes of endpoint, or "*"
  std::string protocol;                    // one of kProtocols; empty: not said
  std::string bundle;                      // directory of what is started in place of a copy; empty: none
  std::optional<ImageName> image;          // what is unpacked and started in place of a copy
  std::vector<EgressRule> egress;          // what the shadow may reach
  Comparison comparison;                   // of responses
};

absl::StatusOr<Service> validate(const v1::ServiceDescriptor& message);

}  // namespace gnomon::document
