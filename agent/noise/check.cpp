#include "agent/noise/check.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <limits>
#include <utility>

namespace gnomon::noise {
namespace {

constexpr double kTail = 0.0005;  // to each side
constexpr double kErrors = 3.29;  // the same of a normal
constexpr double kRelative = 0.05, kAbsolute = 2e6;
constexpr double kLargestPacket = 8 * 65536.0;  // bits

void decide(Check& check) {
  check.off = check.samples > 0 && (check.measured < check.low || check.measured > check.high);
}

}  // namespace

Check check_share(std::string kind, std::string engine, Fraction asked, std::uint64_t events, std::uint64_t trials) {
  Check check{.kind = std::move(kind), .engine = std::move(engine), .asked = asked.value, .high = 1, .samples = trials};
  if (trials == 0) return check;
  const auto n = static_cast<double>(trials);
  // Its quantiles are rounded outwards: never fewer than 99.9%.
  const boost::math::binomial expected(n, asked.value);
  check.measured = static_cast<double>(events) / n;
  check.low = asked.value < 1 ? boost::math::quantile(expected, kTail) / n : 1;
  if (asked.value < 1) check.high = boost::math::quantile(boost::math::complement(expected, kTail)) / n;
  decide(check);
  return check;
}

std::vector<Check> check_delay(const NoiseModel& asked, const Tally& tally, std::string engine) {
  const double mean = static_cast<double>(asked.delay_mean.count());
  const double stddev = static_cast<double>(asked.delay_stddev.count());
  const auto n = static_cast<double>(tally.delayed);
  const double measured = n > 0 ? tally.delay_sum / n : 0;
  const auto within = [&](const char* kind, double wanted, double found, double error) {
    const double room = std::max(kRelative * wanted, kAbsolute) + (n > 0 ? kErrors * error / std::sqrt(n) : 0);
    Check check{.kind = kind,
                .engine = engine,
                .asked = wanted,
                .measured = found,
                .low = std::max(0.0, wanted - room),
                .high = wanted + room,
                .samples = tally.delayed};
    decide(check);
    return check;
  };
  std::vector<Check> checks = {within("response_delay_mean", mean, measured, stddev)};
  const double kurtosis = DelayDistribution(asked.delay_shape, asked.delay_mean, asked.delay_stddev).kurtosis();
  if (stddev <= 0 || !std::isfinite(kurtosis)) return checks;
  const double deviation = n > 1 ? std::sqrt(std::max(0.0, tally.delay_squares / n - measured * measured)) : 0;
  // Of a sample's deviation: σ √((κ − 1) / 4n).
  checks.push_back(within("response_delay_stddev", stddev, deviation, stddev * std::sqrt((kurtosis - 1) / 4)));
  if (n <= 1) checks.back().off = false;
  return checks;
}

Check check_rate(std::string kind, std::string engine, double asked_bits_per_s, double bits, double seconds) {
  Check check{.kind = std::move(kind), .engine = std::move(engine), .asked = asked_bits_per_s};
  check.high = asked_bits_per_s * (1 + kRelative);
  if (seconds <= 0 || bits <= 0) return check;
  check.high += kLargestPacket / seconds;
  check.measured = bits / seconds;
  check.samples = static_cast<std::uint64_t>(bits / 8);
  decide(check);
  return check;
}

}  // namespace gnomon::noise
