#pragma once
// What a shadow may reach: validated EgressRules.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/units.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

inline constexpr int kMostEgressRules = 64;

// IPv4 addresses are mapped into IPv6 (::ffff:a.b.c.d).
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  bool v4() const;
  std::string to_string() const;  // "10.0.3.7", "fd00::1"
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// "10.0.3.7", "fd00::1"; nothing if it is no address.
std::optional<IpAddress> parse_address(const std::string& text);

struct SocketAddress {
  IpAddress address;
  std::uint16_t port = 0;
  std::string to_string() const;  // "10.0.3.7:5432", "[fd00::1]:53"
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

struct EgressRule {
  std::string to;                     // as it is written
  IpAddress network;                  // all bits beyond the prefix are zero
  int prefix = 128;                   // of the 128 bits, of IPv4 addresses as well
  std::optional<std::uint16_t> port;  // nothing: every one
  std::optional<SocketAddress> redirect;
  Nanos delay_mean{0}, delay_stddev{0};  // of each response
  // One address and one port: for such a rule alone datagrams are forwarded too.
  bool single() const { return prefix == 128 && port.has_value(); }
};

// Of rules that overlap the first one counts. The error begins with "shadow.egress[N].", then the field, its value and
// what is allowed.
absl::StatusOr<std::vector<EgressRule>> validate_egress(const v1::ShadowPolicy& message);

}  // namespace gnomon::document
