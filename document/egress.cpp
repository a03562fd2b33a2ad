#include "document/egress.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::document {
namespace {

constexpr int kMappedBits = 96;  // in front of an IPv4 address
constexpr Nanos kMostDelay = std::chrono::seconds(60);

absl::Status invalid(const std::string& text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("\"{}\": {}", text, what));
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && stop == text.data() + text.size();
}

// "HOST:PORT" or "[HOST]:PORT" taken apart; an IPv6 address needs the brackets.
struct Parts {
  std::string host, port;
};
std::optional<Parts> take_apart(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  Parts parts{text.substr(0, colon), text.substr(colon + 1)};
  if (parts.host.front() == '[' && parts.host.back() == ']')
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  else if (parts.host.find(':') != std::string::npos)
    return std::nullopt;
  return parts;
}

void clear_beyond(IpAddress& address, int prefix) {
  for (int bit = prefix; bit < 128; ++bit)
    address.bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80 >> bit % 8));
}

absl::Status read_network(const std::string& text, const std::string& host, EgressRule& rule) {
  const std::size_t slash = host.find('/');
  const auto address = parse_address(host.substr(0, slash));
  if (!address) {
    return invalid(
        text,
        "must be an address or prefix and a port, as \"10.0.3.7:5432\", \"10.0.0.0/8:*\" or \"[fd00::1]:53\"; "
        "names are not looked up");
  }
  rule.network = *address;
  if (slash == std::string::npos) return absl::OkStatus();
  const int most = address->v4() ? 32 : 128;
  int prefix = -1;
  if (!read_number(host.substr(slash + 1), prefix) || prefix < 0 || prefix > most)
    return invalid(text, fmt::format("the length of its prefix must be from 0 to {}", most));
  rule.prefix = address->v4() ? kMappedBits + prefix : prefix;
  clear_beyond(rule.network, rule.prefix);
  if (rule.network != *address)
    return invalid(text,
                   fmt::format("has bits beyond its prefix: \"{}/{}\" is meant?", rule.network.to_string(), prefix));
  return absl::OkStatus();
}

absl::Status read_destination(const std::string& text, EgressRule& rule) {
  if (text.empty()) return absl::InvalidArgumentError("is required: a destination, as \"10.0.3.7:5432\"");
  const auto parts = take_apart(text);
  if (!parts)
    return invalid(text,
                   "must end with a port or with all of them, as \"10.0.3.7:5432\", \"10.0.0.0/8:*\" or "
                   "\"[fd00::1]:53\"");
  RETURN_IF_ERROR(read_network(text, parts->host, rule));
  if (parts->port == "*") return absl::OkStatus();
  std::uint16_t port = 0;
  if (!read_number(parts->port, port) || port == 0) return invalid(text, "its port must be from 1 to 65535, or \"*\"");
  rule.port = port;
  return absl::OkStatus();
}

absl::StatusOr<SocketAddress> read_redirect(const std::string& text) {
  const auto parts = take_apart(text);
  const auto address = parts ? parse_address(parts->host) : std::nullopt;
  std::uint16_t port = 0;
  if (!address || !read_number(parts->port, port) || port == 0)
    return invalid(text, "must be one address and port, as the host reaches it: \"127.0.0.1:15432\", \"[::1]:15432\"");
  return SocketAddress{*address, port};
}

absl::StatusOr<Nanos> read_delay(const std::string& text) {
  if (text.empty()) return Nanos(0);
  ASSIGN_OR_RETURN(const Nanos delay, parse_duration(text));
  if (delay > kMostDelay) return invalid(text, "must be at most 60s");
  return delay;
}

absl::StatusOr<EgressRule> read_rule(const v1::EgressRule& message) {
  EgressRule rule{.to = message.to()};
  if (absl::Status status = read_destination(message.to(), rule); !status.ok()) return annotate(status, "to");
  if (!message.redirect().empty()) {
    auto redirect = read_redirect(message.redirect());
    if (!redirect.ok()) return annotate(redirect.status(), "redirect");
    rule.redirect = *redirect;
  }
  const auto mean = read_delay(message.delay_mean()), stddev = read_delay(message.delay_stddev());
  if (!mean.ok()) return annotate(mean.status(), "delay_mean");
  if (!stddev.ok()) return annotate(stddev.status(), "delay_stddev");
  // The same bound as a profile's normal delay: beyond it a normal cannot have both.
  if (static_cast<double>(stddev->count()) > 0.9 * static_cast<double>(mean->count()))
    return annotate(invalid(message.delay_stddev(), "must be at most 0.9 of delay_mean"), "delay_stddev");
  rule.delay_mean = *mean;
  rule.delay_stddev = *stddev;
  return rule;
}

}  // namespace

bool IpAddress::v4() const {
  static constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  const void* raw = v4() ? bytes.data() + 12 : bytes.data();
  return ::inet_ntop(v4() ? AF_INET : AF_INET6, raw, text, sizeof text) != nullptr ? text : "";
}

std::optional<IpAddress> parse_address(const std::string& text) {
  IpAddress address;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1) return address;
  address.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data() + 12) == 1) return address;
  return std::nullopt;
}

std::string SocketAddress::to_string() const {
  return address.v4() ? fmt::format("{}:{}", address.to_string(), port)
                      : fmt::format("[{}]:{}", address.to_string(), port);
}

absl::StatusOr<std::vector<EgressRule>> validate_egress(const v1::ShadowPolicy& message) {
  std::vector<EgressRule> rules;
  if (message.egress_size() > kMostEgressRules)
    return absl::InvalidArgumentError(
        fmt::format("shadow.egress: \"{} rules\": at most {} are allowed", message.egress_size(), kMostEgressRules));
  for (const v1::EgressRule& one : message.egress()) {
    auto rule = read_rule(one);
    // The field follows the rule's place: "shadow.egress[0].to".
    if (!rule.ok())
      return absl::InvalidArgumentError(
          fmt::format("shadow.egress[{}].{}", rules.size(), std::string(rule.status().message())));
    rules.push_back(*std::move(rule));
  }
  return rules;
}

}  // namespace gnomon::document
