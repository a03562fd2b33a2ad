#include "agent/sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "agent/protocol/protocol.h"

namespace gnomon::sampling {
namespace {

constexpr std::string_view kHeader = "header:";
constexpr double kLongestWindow = 1u << 30;

// SplitMix64's finalizer (Steele, Lea and Flood 2014): each bit of the input changes each of the output by half.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// A hash as a number in [0, 1).
double unit(std::uint64_t hash) {
  return static_cast<double>(hash >> 11) * 0x1.0p-53;
}

Selector known_or_connection(std::string_view text) {
  const auto selector = parse_selector(text);
  return selector.ok() ? *selector : Selector::kConnection;
}

}  // namespace

absl::StatusOr<Selector> parse_selector(std::string_view text) {
  if (text == "connection") return Selector::kConnection;
  if (text == "request") return Selector::kRequest;
  if (text == "key" || text == "user") return Selector::kKey;
  if (text.starts_with(kHeader) && text.size() > kHeader.size()) return Selector::kKey;
  return absl::InvalidArgumentError("'" + std::string(text) +
                                    "': allowed are connection, request, header:NAME, key and user");
}

Sampler::Sampler(Settings settings)
    : settings_(std::move(settings)), selector_(known_or_connection(settings_.selector)) {
  set_fraction(settings_.fraction);
}

void Sampler::set_fraction(Fraction fraction) {
  fraction_ = std::clamp(fraction.value, 0.0, 1.0);
  leave_out_ = fraction_ > 0.5;
  const double singled_out = leave_out_ ? 1 - fraction_ : fraction_;
  window_ = singled_out > 0 ? static_cast<std::uint32_t>(std::min(kLongestWindow, std::floor(1 / singled_out))) : 1;
  chance_ = singled_out * window_;
  ++epoch_;
  for (Stratum& stratum : strata_) stratum.left = 0;
}

double Sampler::inclusion_probability() const {
  return selector_ == Selector::kConnection ? 1 : fraction_;
}

bool Sampler::choose(const protocol::Request& request) {
  if (selector_ == Selector::kConnection) return true;
  if (selector_ == Selector::kKey && request.protocol)
    if (const auto key = request.protocol->key(request, settings_.selector))
      return unit(mix(*key ^ mix(settings_.seed))) < fraction_;
  return choose_in_stratum(request.conn_id);
}

bool Sampler::choose_in_stratum(std::uint64_t conn_id) {
  const std::size_t index = mix(conn_id ^ settings_.seed) % kStrata;
  Stratum& stratum = strata_[index];
  if (stratum.left == 0) open_window(index);
  return (stratum.left-- == stratum.pick) != leave_out_;
}

void Sampler::open_window(std::size_t index) {
  Stratum& stratum = strata_[index];
  const std::uint64_t random = mix(mix(mix(settings_.seed ^ index) ^ epoch_) ^ ++stratum.window);
  stratum.left = window_;
  stratum.pick = unit(random) < chance_ ? 1 + static_cast<std::uint32_t>(mix(random) % window_) : 0;
}

}  // namespace gnomon::sampling
