#include "cli/render/text.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "fmt/chrono.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"

namespace gnomon::cli {

std::string printable(const std::string& text) {
  std::string out = text;
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::string format_rate(double per_second) {
  return fmt::format("{:.{}f}", per_second, per_second >= 99.95 || per_second == 0 ? 0 : 1);
}

std::string format_optional(const std::optional<Nanos>& duration) {
  return duration ? format_duration(*duration) : "-";
}

std::string format_optional_share(const std::optional<double>& share) {
  return share ? format_fraction(Fraction{*share}) : "-";
}

std::string format_metric(const std::string& unit, double value) {
  if (unit == "ns") return format_duration(Nanos(std::llround(value)));
  if (unit == "ratio") return format_fraction(Fraction{value});
  if (unit == "bytes")
    return (value < 0 ? "-" : "") + format_bytes(Bytes{static_cast<std::uint64_t>(std::fabs(value))});
  return fmt::format("{:.3g} {}", value, unit);
}

std::string format_shift(const std::string& unit, double value) {
  return (value > 0 ? "+" : "") + format_metric(unit, value);
}

std::string metric_name(const std::string& metric) {
  std::string out = printable(metric);
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

std::string outcome_name(v1::Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_AS_EXPECTED:
      return "as expected";
    case v1::OUTCOME_ANOMALY:
      return "anomaly";
    case v1::OUTCOME_INCONCLUSIVE:
      return "inconclusive";
    default:
      return "not judged";
  }
}

std::string format_time(std::int64_t unix_ms) {
  if (unix_ms == 0) return "-";
  const std::time_t seconds = unix_ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", parts);
}

std::string to_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string out;
  // Printing a message of a generated type can only fail on invalid UTF-8, which proto3 strings refuse before.
  if (!google::protobuf::util::MessageToJsonString(message, &out, options).ok()) out.clear();
  return out;
}

}  // namespace gnomon::cli
