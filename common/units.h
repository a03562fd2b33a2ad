#pragma once
// Quantities as operators write them ("5%", "50ms", "256Mi", "500m"), as types that know their unit.
// Every parser accepts exactly one grammar and its error says what is allowed; the caller puts the field's name before
// it.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/clock.h"

namespace gnomon {

// A share in [0, 1].
struct Fraction {
  double value = 0;
  friend auto operator<=>(const Fraction&, const Fraction&) = default;
};

// An amount of processor time, in thousandths of a CPU.
struct MilliCpu {
  std::int64_t value = 0;
  friend auto operator<=>(const MilliCpu&, const MilliCpu&) = default;
};

struct Bytes {
  std::uint64_t value = 0;
  friend auto operator<=>(const Bytes&, const Bytes&) = default;
};

// "5%", "0.05": a share from 0 to 1.
absl::StatusOr<Fraction> parse_fraction(std::string_view text);

// "50ms", "1.5s", "200us", "10m", "1h", "250ns": not negative, a unit is required ("0" alone is zero).
absl::StatusOr<Nanos> parse_duration(std::string_view text);

// "256Mi", "1.5Gi", "4096", "10M": binary (Ki Mi Gi Ti) or decimal (k M G T) suffixes as in Kubernetes; above zero.
absl::StatusOr<Bytes> parse_bytes(std::string_view text);

// "500m" is half a CPU, "1.5" one and a half; above zero.
absl::StatusOr<MilliCpu> parse_cpu(std::string_view text);

// Short forms for people, three significant digits: "5%", "1.25 ms", "256Mi", "0.5".
std::string format_fraction(Fraction fraction);
std::string format_duration(Nanos duration);
std::string format_bytes(Bytes bytes);
std::string format_cpu(MilliCpu cpu);

}  // namespace gnomon
