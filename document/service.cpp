#include "document/service.h"

#include <algorithm>

#include "document/name.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gnomon::document {
namespace {

constexpr std::uint32_t kMaxPort = 65535;
constexpr std::uint32_t kMaxPid = 1u << 22;  // PID_MAX_LIMIT

absl::Status read_slo(const v1::Slo& message, Service& service) {
  if (!message.latency_p99().empty()) {
    auto latency = parse_duration(message.latency_p99());
    if (!latency.ok()) return annotate(latency.status(), "slo.latency_p99");
    if (latency->count() == 0) return absl::InvalidArgumentError("slo.latency_p99: \"0\": must be above zero");
    service.slo_latency_p99 = *latency;
  }
  if (!message.error_rate().empty()) {
    auto rate = parse_fraction(message.error_rate());
    if (!rate.ok()) return annotate(rate.status(), "slo.error_rate");
    service.slo_error_rate = *rate;
  }
  return absl::OkStatus();
}

absl::Status read_protocol(const std::string& name, Service& service) {
  if (name.empty() || name == kAutoProtocol) return absl::OkStatus();
  if (std::ranges::find(kProtocols, name) == std::end(kProtocols))
    return absl::InvalidArgumentError(
        fmt::format("protocol: \"{}\": must be {} or one of {}", name, kAutoProtocol, fmt::join(kProtocols, ", ")));
  service.protocol = name;
  return absl::OkStatus();
}

absl::Status read_sample_by(const std::string& text, Service& service) {
  if (text.empty()) return absl::OkStatus();
  const bool header = text.starts_with(kSampleByHeader) && text.size() > kSampleByHeader.size();
  if (!header && std::ranges::find(kSampleBy, text) == std::end(kSampleBy))
    return absl::InvalidArgumentError(fmt::format("shadow.sample_by: \"{}\": must be {}NAME or one of {}", text,
                                                  kSampleByHeader, fmt::join(kSampleBy, ", ")));
  service.sample_by = text;
  return absl::OkStatus();
}

absl::Status read_cost(const std::string& text, Service& service) {
  if (text.empty()) return absl::OkStatus();
  if (text == "off") {
    service.max_production_cost.reset();
    return absl::OkStatus();
  }
  auto cost = parse_fraction(text);
  if (!cost.ok()) return annotate(cost.status(), "shadow.max_production_cost");
  if (cost->value == 0)
    return absl::InvalidArgumentError("shadow.max_production_cost: \"" + text +
                                      "\": must be above zero, as \"2%\" of its p99 service time, or \"off\"");
  service.max_production_cost = *cost;
  return absl::OkStatus();
}

absl::Status read_max_request(const std::string& text, Service& service) {
  if (text.empty()) return absl::OkStatus();
  auto bytes = parse_bytes(text);
  if (!bytes.ok()) return annotate(bytes.status(), "shadow.max_request_bytes");
  if (bytes->value < kLeastMaxRequest.value || bytes->value > kMostMaxRequest.value)
    return absl::InvalidArgumentError(
        fmt::format("shadow.max_request_bytes: \"{}\": must be from {} to {} bytes, as \"8Mi\"", text,
                    kLeastMaxRequest.value, kMostMaxRequest.value));
  service.max_request = *bytes;
  return absl::OkStatus();
}

absl::Status read_bundle(const std::string& path, Service& service) {
  if (!path.empty() && !path.starts_with("/"))
    return absl::InvalidArgumentError(fmt::format(
        "shadow.bundle: \"{}\": must be the absolute path, on the service's node, of a directory with an OCI bundle",
        path));
  service.bundle = path;
  return absl::OkStatus();
}

absl::Status read_image(const std::string& text, Service& service) {
  if (text.empty()) return absl::OkStatus();
  if (!service.bundle.empty())
    return absl::InvalidArgumentError(fmt::format(
        "shadow.image: \"{}\": shadow.bundle is given as well (\"{}\"): leave one of them out", text, service.bundle));
  auto name = parse_image_name(text);
  if (!name.ok()) return annotate(name.status(), "shadow.image");
  service.image = *std::move(name);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Service> validate(const v1::ServiceDescriptor& message) {
  Service service;
  if (absl::Status status = check_name(message.name()); !status.ok()) return annotate(status, "name");
  service.name = message.name();
  const std::uint32_t port = message.discovery().port();
  if (port == 0)
    return absl::InvalidArgumentError("discovery.port: is required: the TCP port it listens on, 1 to 65535");
  if (port > kMaxPort)
    return absl::InvalidArgumentError(fmt::format("discovery.port: \"{}\": must be from 1 to {}", port, kMaxPort));
  service.port = static_cast<std::uint16_t>(port);
  if (const std::uint32_t pid = message.discovery().pid(); pid != 0) {
    if (pid > kMaxPid)
      return absl::InvalidArgumentError(fmt::format("discovery.pid: \"{}\": must be from 1 to {}", pid, kMaxPid));
    service.pid = static_cast<std::int32_t>(pid);
  }
  RETURN_IF_ERROR(read_slo(message.slo(), service));
  RETURN_IF_ERROR(read_protocol(message.protocol(), service));
  if (!message.shadow().sampled_fraction().empty()) {
    auto fraction = parse_fraction(message.shadow().sampled_fraction());
    if (!fraction.ok()) return annotate(fraction.status(), "shadow.sampled_fraction");
    if (fraction->value == 0)
      return absl::InvalidArgumentError("shadow.sampled_fraction: \"" + message.shadow().sampled_fraction() +
                                        "\": must be above zero, as \"5%\"");
    service.sampled_fraction = *fraction;
  }
  RETURN_IF_ERROR(read_sample_by(message.shadow().sample_by(), service));
  RETURN_IF_ERROR(read_max_request(message.shadow().max_request_bytes(), service));
  RETURN_IF_ERROR(read_bundle(message.shadow().bundle(), service));
  RETURN_IF_ERROR(read_image(message.shadow().image(), service));
  for (const std::string& endpoint : message.shadow().replay_writes()) {
    if (endpoint.empty())
      return absl::InvalidArgumentError(
          "shadow.replay_writes: \"\": must be a class of endpoint, as \"POST /orders\", or \"*\" for all");
    service.replay_writes.push_back(endpoint);
  }
  ASSIGN_OR_RETURN(service.readiness, validate(message.shadow().readiness()));
  RETURN_IF_ERROR(read_cost(message.shadow().max_production_cost(), service));
  ASSIGN_OR_RETURN(service.egress, validate_egress(message.shadow()));
  ASSIGN_OR_RETURN(service.comparison, validate_comparison(message.shadow()));
  return service;
}

}  // namespace gnomon::document
