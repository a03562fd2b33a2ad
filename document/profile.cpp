#include "document/profile.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "document/name.h"
#include "fmt/format.h"

namespace gnomon::document {
namespace {

constexpr double kMaxFactor = 100;
constexpr double kMaxLoadMultiple = 1000;
constexpr std::string_view kRelative = "x production";
constexpr std::string_view kPeakLoad = "simulated_peak_load_";
constexpr std::string_view kInertScenarios[] = {"high_volume_small_transactions", "database_connection_stress"};

absl::Status invalid(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("\"{}\": {}", text, what));
}

// A plain decimal number in (0, max]; anything else is nullopt.
std::optional<double> positive_number(std::string_view text, double max) {
  double value = 0;
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos) return std::nullopt;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || stop != text.data() + text.size() || !(value > 0) || value > max) return std::nullopt;
  return value;
}

// "2x production", or an absolute amount that `parse_absolute` reads.
template <class Amount>
absl::StatusOr<std::variant<RelativeToProduction, Amount>> parse_resource(
    const std::string& text, absl::StatusOr<Amount> (*parse_absolute)(std::string_view)) {
  using Result = std::variant<RelativeToProduction, Amount>;
  const std::string_view view = text;
  if (view.ends_with(kRelative)) {
    const auto factor = positive_number(view.substr(0, view.size() - kRelative.size()), kMaxFactor);
    if (!factor) return invalid(text, "must be \"<N>x production\" with N above 0 and at most 100");
    return Result(RelativeToProduction{*factor});
  }
  auto amount = parse_absolute(text);
  if (!amount.ok())
    return absl::InvalidArgumentError(std::string(amount.status().message()) + "; or relative, as \"2x production\"");
  return Result(*amount);
}

absl::Status read_resources(const v1::ResourceAllocation& message, Profile& profile) {
  if (!message.cpu().empty()) {
    auto cpu = parse_resource<MilliCpu>(message.cpu(), parse_cpu);
    if (!cpu.ok()) return annotate(cpu.status(), "resource_allocation.cpu");
    profile.cpu = *cpu;
  }
  if (!message.memory().empty()) {
    auto memory = parse_resource<Bytes>(message.memory(), parse_bytes);
    if (!memory.ok()) return annotate(memory.status(), "resource_allocation.memory");
    profile.memory = *memory;
  }
  if (const std::string& text = message.io_weight(); !text.empty()) {
    const auto weight = positive_number(text, 1000);
    if (!weight || *weight < 1 || *weight != std::floor(*weight))
      return annotate(invalid(text, "must be a whole number from 1 to 1000, 100 being usual"),
                      "resource_allocation.io_weight");
    profile.io_weight = static_cast<unsigned>(*weight);
  }
  return absl::OkStatus();
}

// The load multiple of a scenario; nullopt for one that has no load of its own.
absl::StatusOr<std::optional<double>> scenario_load(const std::string& name) {
  for (std::string_view inert : kInertScenarios)
    if (name == inert) return std::optional<double>();
  const std::string_view view = name;
  if (view.starts_with(kPeakLoad) && view.ends_with('x')) {
    const auto load =
        positive_number(view.substr(kPeakLoad.size(), view.size() - kPeakLoad.size() - 1), kMaxLoadMultiple);
    if (!load) return invalid(name, "must be simulated_peak_load_<N>x with N above 0 and at most 1000");
    return load;
  }
  return invalid(name,
                 "is not a scenario; allowed: simulated_peak_load_<N>x (N above 0, at most 1000), "
                 "high_volume_small_transactions, database_connection_stress");
}

absl::Status read_scenarios(const v1::ShadowInstanceProfile& message, Profile& profile) {
  profile.load_multiple = 1;
  std::set<std::string> seen;
  bool loaded = false;
  for (int i = 0; i < message.testing_scenarios_size(); ++i) {
    const std::string& name = message.testing_scenarios(i);
    const std::string field = fmt::format("testing_scenarios[{}]", i);
    auto load = scenario_load(name);
    if (!load.ok()) return annotate(load.status(), field);
    if (!seen.insert(name).second) return annotate(invalid(name, "is there twice"), field);
    if (!load->has_value()) {
      profile.inert_scenarios.push_back(name);
      continue;
    }
    if (loaded) return annotate(invalid(name, "is a second peak load; a profile has one load multiple"), field);
    profile.load_multiple = **load;
    loaded = true;
  }
  return absl::OkStatus();
}

// FNV-1a over fields with their lengths, so that no two documents run together.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (char c : fmt::format("{}:{};", text.size(), text)) {
      hash_ ^= static_cast<unsigned char>(c);
      hash_ *= 16777619u;
    }
  }
  std::uint32_t value() const { return hash_; }

 private:
  std::uint32_t hash_ = 2166136261u;
};

// What has been there from the beginning goes in as ever, so that those profiles keep their ids; the rest by name.
void add(const v1::NoiseParameters& noise, Fingerprint& fingerprint) {
  fingerprint.add(noise.response_delay_mean());
  fingerprint.add(noise.response_delay_stddev());
  fingerprint.add(noise.error_rate());
  const std::pair<const char*, const std::string&> others[] = {
      {"response_delay_distribution", noise.response_delay_distribution()},
      {"packet_loss", noise.packet_loss()},
      {"packet_duplication", noise.packet_duplication()},
      {"packet_reordering", noise.packet_reordering()},
      {"rate_limit", noise.rate_limit()},
      {"connection_refusal", noise.connection_refusal()},
      {"connection_reset", noise.connection_reset()}};
  for (const auto& [name, value] : others) {
    if (value.empty()) continue;
    fingerprint.add(name);
    fingerprint.add(value);
  }
  for (const v1::DependencyNoise& one : noise.dependencies()) {
    fingerprint.add(one.to());
    add(one.noise_parameters(), fingerprint);
  }
}

}  // namespace

absl::StatusOr<Profile> validate(const v1::ShadowInstanceProfile& message) {
  Profile profile;
  if (absl::Status status = check_name(message.service_descriptor()); !status.ok())
    return annotate(status, "service_descriptor");
  profile.service = message.service_descriptor();
  RETURN_IF_ERROR(read_resources(message.resource_allocation(), profile));
  ASSIGN_OR_RETURN(profile.noise, validate(message.noise_parameters()));
  ASSIGN_OR_RETURN(profile.dependencies, validate_dependencies(message.noise_parameters()));
  RETURN_IF_ERROR(read_scenarios(message, profile));
  return profile;
}

absl::Status check_dependencies(const Profile& profile, const Service& service) {
  for (std::size_t i = 0; i < profile.dependencies.size(); ++i) {
    const std::string& to = profile.dependencies[i].to;
    if (std::ranges::find(service.egress, to, &EgressRule::to) != service.egress.end()) continue;
    return annotate(
        invalid(to, fmt::format("no rule of shadow.egress of service {} has this \"to\": its shadow does not reach it",
                                service.name)),
        fmt::format("noise_parameters.dependencies[{}].to", i));
  }
  return absl::OkStatus();
}

std::string profile_id(const v1::ShadowInstanceProfile& message) {
  Fingerprint fingerprint;
  fingerprint.add(message.service_descriptor());
  fingerprint.add(message.resource_allocation().cpu());
  fingerprint.add(message.resource_allocation().memory());
  if (const std::string& weight = message.resource_allocation().io_weight(); !weight.empty()) {
    fingerprint.add("io_weight");
    fingerprint.add(weight);
  }
  add(message.noise_parameters(), fingerprint);
  for (const std::string& scenario : message.testing_scenarios()) fingerprint.add(scenario);
  return fmt::format("{}-{:08x}", message.service_descriptor(), fingerprint.value());
}

}  // namespace gnomon::document
