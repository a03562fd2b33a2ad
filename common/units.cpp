#include "common/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "fmt/format.h"

namespace gnomon {
namespace {

// A number and what follows it: "1.5Gi" is 1.5 and "Gi".
struct Quantity {
  double number = 0;
  std::string_view unit;
};

// Digits with at most one decimal point between them: no sign, no exponent, no "inf".
std::optional<Quantity> split(std::string_view text) {
  std::size_t end = 0;
  int points = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.'))
    points += text[end++] == '.';
  const std::string_view digits = text.substr(0, end);
  if (digits.empty() || points > 1 || digits.front() == '.' || digits.back() == '.') return std::nullopt;
  Quantity quantity{.number = 0, .unit = text.substr(end)};
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), quantity.number);
  if (error != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  return quantity;
}

absl::Status invalid(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("\"{}\": {}", text, what));
}

struct Unit {
  std::string_view name;
  double factor;
};

template <std::size_t N>
std::optional<double> factor_of(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units)
    if (unit.name == name) return unit.factor;
  return std::nullopt;
}

constexpr std::array<Unit, 6> kDurations{{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};

constexpr double kKi = 1024;
constexpr std::array<Unit, 9> kByteUnits{{{"", 1},
                                          {"k", 1e3},
                                          {"M", 1e6},
                                          {"G", 1e9},
                                          {"T", 1e12},
                                          {"Ki", kKi},
                                          {"Mi", kKi* kKi},
                                          {"Gi", kKi* kKi* kKi},
                                          {"Ti", kKi* kKi* kKi* kKi}}};

// `value` with three significant digits, no exponent and no trailing zeros; whole numbers keep all their digits.
std::string three_digits(double value) {
  if (value == 0 || !std::isfinite(value)) return "0";
  const int magnitude = static_cast<int>(std::floor(std::log10(std::fabs(value))));
  const int decimals = std::min(12, std::max(0, 2 - magnitude));
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

// The largest unit that leaves a number of at least one, after rounding to what three_digits() shows.
template <std::size_t N>
const Unit& best_unit(const std::array<Unit, N>& ascending, double value) {
  const Unit* best = &ascending.front();
  for (const Unit& unit : ascending)
    if (std::fabs(value) * 1.0005 >= unit.factor) best = &unit;
  return *best;
}

}  // namespace

absl::StatusOr<Fraction> parse_fraction(std::string_view text) {
  constexpr std::string_view kAllowed = "must be a share from 0 to 1, as \"0.05\" or \"5%\"";
  const auto quantity = split(text);
  if (!quantity || (quantity->unit != "" && quantity->unit != "%")) return invalid(text, kAllowed);
  const double value = quantity->unit == "%" ? quantity->number / 100 : quantity->number;
  if (value > 1) return invalid(text, kAllowed);
  return Fraction{value};
}

absl::StatusOr<Nanos> parse_duration(std::string_view text) {
  constexpr std::string_view kAllowed =
      "must be a duration that is not negative, as \"50ms\" or \"1.5s\": a number and one of ns, us, ms, s, m, h";
  const auto quantity = split(text);
  if (!quantity) return invalid(text, kAllowed);
  if (quantity->unit.empty()) {
    if (text == "0") return Nanos(0);
    return invalid(text, "needs a unit: one of ns, us, ms, s, m, h");
  }
  const auto factor = factor_of(kDurations, quantity->unit);
  if (!factor) return invalid(text, kAllowed);
  const double ns = std::round(quantity->number * *factor);
  if (ns >= 9.2e18) return invalid(text, "is too long: at most 2500000h");
  return Nanos(static_cast<Nanos::rep>(ns));
}

absl::StatusOr<Bytes> parse_bytes(std::string_view text) {
  constexpr std::string_view kAllowed =
      "must be an amount of memory above zero, as \"256Mi\", \"1.5Gi\" or \"4096\": a number and one of Ki, Mi, Gi, "
      "Ti, k, M, G, "
      "T or nothing";
  const auto quantity = split(text);
  if (!quantity) return invalid(text, kAllowed);
  const auto factor = factor_of(kByteUnits, quantity->unit);
  if (!factor) return invalid(text, kAllowed);
  const double bytes = std::round(quantity->number * *factor);
  if (bytes < 1) return invalid(text, kAllowed);
  if (bytes >= 9.2e18) return invalid(text, "is too much: at most 8000000Ti");
  return Bytes{static_cast<std::uint64_t>(bytes)};
}

absl::StatusOr<MilliCpu> parse_cpu(std::string_view text) {
  constexpr std::string_view kAllowed = "must be processors above zero, as \"500m\" (half of one) or \"1.5\"";
  const auto quantity = split(text);
  if (!quantity || (quantity->unit != "" && quantity->unit != "m")) return invalid(text, kAllowed);
  const double milli = std::round(quantity->unit == "m" ? quantity->number : quantity->number * 1000);
  if (milli < 1) return invalid(text, kAllowed);
  if (milli > 1e9) return invalid(text, "is too much: at most 1000000 processors");
  return MilliCpu{static_cast<std::int64_t>(milli)};
}

std::string format_fraction(Fraction fraction) {
  return three_digits(fraction.value * 100) + "%";
}

std::string format_duration(Nanos duration) {
  constexpr std::array<Unit, 6> kShown{
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 120e9}, {"h", 7200e9}}};
  const double ns = static_cast<double>(duration.count());
  if (ns == 0) return "0";
  const Unit& unit = best_unit(kShown, ns);
  // Minutes and hours begin at two: "90 s" reads better than "1.5 min".
  const double divisor = unit.name == "min" ? 60e9 : unit.name == "h" ? 3600e9 : unit.factor;
  return three_digits(ns / divisor) + " " + std::string(unit.name);
}

std::string format_bytes(Bytes bytes) {
  constexpr std::array<Unit, 5> kShown{
      {{"", 1}, {"Ki", kKi}, {"Mi", kKi * kKi}, {"Gi", kKi * kKi * kKi}, {"Ti", kKi * kKi * kKi * kKi}}};
  const double value = static_cast<double>(bytes.value);
  const Unit& unit = best_unit(kShown, value);
  return three_digits(value / unit.factor) + std::string(unit.name);
}

std::string format_cpu(MilliCpu cpu) {
  return three_digits(static_cast<double>(cpu.value) / 1000);
}

}  // namespace gnomon
