#include "document/noise.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::document {
namespace {

constexpr Nanos kMaxDelay = std::chrono::seconds(60);
constexpr double kLeastBitRate = 8e3, kMostBitRate = 40e9;
constexpr std::pair<std::string_view, double> kBitUnits[] = {
    {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {"bit", 1}};  // "bit" last: the others end with it

// Of its mean. A normal that deviates more would be mostly what truncation makes of it, a uniform would begin below
// zero, and of a Pareto distribution that does no session is long enough to see the mean.
struct Allowed {
  DelayShape shape;
  double most_variation;
  const char* text;
};
constexpr Allowed kShapes[] = {{DelayShape::kNormal, 0.9, "0.9 times"},
                               {DelayShape::kPareto, 1, "as much as"},
                               {DelayShape::kUniform, 0.577, "0.577 times"}};

absl::Status invalid(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("\"{}\": {}", text, what));
}

absl::StatusOr<Nanos> parse_delay(std::string_view text) {
  ASSIGN_OR_RETURN(const Nanos delay, parse_duration(text));
  if (delay > kMaxDelay) return invalid(text, "must be at most 60s");
  return delay;
}

// Into `value`, if the field is there.
template <class Value>
absl::Status read(const char* field, const std::string& text, absl::StatusOr<Value> (*parse)(std::string_view),
                  Value& value) {
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<Value> parsed = parse(text);
  if (!parsed.ok()) return annotate(parsed.status(), fmt::format("noise_parameters.{}", field));
  value = *parsed;
  return absl::OkStatus();
}

absl::StatusOr<DelayShape> parse_shape(std::string_view text) {
  for (const Allowed& allowed : kShapes)
    if (text == name_of(allowed.shape)) return allowed.shape;
  return invalid(text, "must be normal, pareto or uniform");
}

absl::Status check_variation(const v1::NoiseParameters& message, const Noise& noise) {
  const double mean = static_cast<double>(noise.response_delay_mean.count());
  const double stddev = static_cast<double>(noise.response_delay_stddev.count());
  for (const Allowed& allowed : kShapes) {
    if (allowed.shape != noise.response_delay_distribution || stddev <= allowed.most_variation * mean) continue;
    return annotate(
        invalid(message.response_delay_stddev(),
                fmt::format("a {} delay can deviate by at most {} its mean", name_of(allowed.shape), allowed.text)),
        "noise_parameters.response_delay_stddev");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::uint64_t> parse_bit_rate(std::string_view text) {
  constexpr char kWhat[] = "must be a number of bits a second, as 10Mbit (bit, kbit, Mbit, Gbit), 8kbit to 40Gbit";
  for (const auto& [unit, factor] : kBitUnits) {
    if (!text.ends_with(unit)) continue;
    const std::string_view number = text.substr(0, text.size() - unit.size());
    double value = 0;
    if (number.empty() || number.find_first_not_of("0123456789.") != std::string_view::npos) break;
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || stop != number.data() + number.size()) break;
    const double bits = value * factor;
    if (!(bits >= kLeastBitRate && bits <= kMostBitRate)) break;
    return static_cast<std::uint64_t>(std::llround(bits));
  }
  return invalid(text, kWhat);
}

absl::StatusOr<Noise> validate(const v1::NoiseParameters& message) {
  Noise noise;
  RETURN_IF_ERROR(read("response_delay_mean", message.response_delay_mean(), parse_delay, noise.response_delay_mean));
  RETURN_IF_ERROR(
      read("response_delay_stddev", message.response_delay_stddev(), parse_delay, noise.response_delay_stddev));
  RETURN_IF_ERROR(read("response_delay_distribution", message.response_delay_distribution(), parse_shape,
                       noise.response_delay_distribution));
  RETURN_IF_ERROR(check_variation(message, noise));
  RETURN_IF_ERROR(read("error_rate", message.error_rate(), parse_fraction, noise.error_rate));
  RETURN_IF_ERROR(read("packet_loss", message.packet_loss(), parse_fraction, noise.packet_loss));
  RETURN_IF_ERROR(read("packet_duplication", message.packet_duplication(), parse_fraction, noise.packet_duplication));
  RETURN_IF_ERROR(read("packet_reordering", message.packet_reordering(), parse_fraction, noise.packet_reordering));
  RETURN_IF_ERROR(read("rate_limit", message.rate_limit(), parse_bit_rate, noise.rate_limit));
  RETURN_IF_ERROR(read("connection_refusal", message.connection_refusal(), parse_fraction, noise.connection_refusal));
  RETURN_IF_ERROR(read("connection_reset", message.connection_reset(), parse_fraction, noise.connection_reset));
  return noise;
}

absl::StatusOr<std::vector<DependencyNoise>> validate_dependencies(const v1::NoiseParameters& message) {
  std::vector<DependencyNoise> all;
  for (const v1::DependencyNoise& one : message.dependencies()) {
    const std::string field = fmt::format("noise_parameters.dependencies[{}]", all.size());
    const auto is_same = [&](const DependencyNoise& other) { return other.to == one.to(); };
    if (one.to().empty() || std::ranges::any_of(all, is_same))
      return annotate(invalid(one.to(), "must be the \"to\" of one of the service's egress rules, each once"),
                      field + ".to");
    if (one.noise_parameters().dependencies_size() > 0)
      return annotate(invalid("dependencies", "there are none of a dependency"), field + ".noise_parameters");
    if (!one.noise_parameters().packet_reordering().empty())
      return annotate(invalid(one.noise_parameters().packet_reordering(),
                              "not on the path to a dependency: only the shadow's own responses can be reordered"),
                      field + ".noise_parameters.packet_reordering");
    absl::StatusOr<Noise> noise = validate(one.noise_parameters());
    if (!noise.ok())  // "noise_parameters.dependencies[0].noise_parameters.error_rate: …"
      return absl::InvalidArgumentError(field + "." + std::string(noise.status().message()));
    if (!noise->any()) return annotate(invalid(one.to(), "asks for no noise"), field);
    all.push_back({one.to(), *std::move(noise)});
  }
  return all;
}

}  // namespace gnomon::document
