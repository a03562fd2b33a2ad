#include "agent/sampling/representativeness.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>

namespace gnomon::sampling {
namespace {

using Counts = std::span<const __u64>;

double total(Counts counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}));
}

bool too_few(Counts sample, Counts all) {
  return total(sample) < kFewest || total(all) < kFewest;
}

// One over the number of draws that a comparison of the two is worth.
double inverse_size(double sample, double all) {
  return 1 / sample + 1 / all;
}

// p·log2(p/m), continuous at zero.
double information(double p, double m) {
  return p > 0 ? p * std::log2(p / m) : 0;
}

double likeness_of_mixes(Counts sample, Counts all) {
  if (too_few(sample, all)) return 1;
  const double n = total(sample), of = total(all);
  double divergence = 0, classes = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double p = static_cast<double>(sample[i]) / n, q = static_cast<double>(all[i]) / of, m = (p + q) / 2;
    divergence += (information(p, m) + information(q, m)) / 2;
    classes += m > 0;
  }
  const double freedom = std::max(0.0, classes - 1);
  const double by_chance = (freedom + 2 * std::sqrt(2 * freedom)) * inverse_size(n, of) / (8 * std::log(2.0));
  return 1 - std::sqrt(std::clamp(divergence - by_chance, 0.0, 1.0));
}

double likeness_of_distributions(Counts sample, Counts all) {
  if (too_few(sample, all)) return 1;
  const double n = total(sample), of = total(all);
  double below = 0, below_all = 0, distance = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    below += static_cast<double>(sample[i]);
    below_all += static_cast<double>(all[i]);
    distance = std::max(distance, std::abs(below / n - below_all / of));
  }
  return 1 - std::max(0.0, distance - 1.36 * std::sqrt(inverse_size(n, of)));
}

}  // namespace

void MixRecorder::add(std::uint64_t conn_id, MonoTime arrival, std::string_view bytes, bool chosen) {
  Last& last = last_[conn_id % kRemembered];
  const bool known = last.conn_id == conn_id && last.arrival != MonoTime{};
  const Nanos gap = std::max(Nanos(0), arrival - last.arrival);
  last = {conn_id, arrival};
  if (!chosen) return;
  if (known) ++mix_.gap[mix_class(static_cast<std::uint64_t>(gap.count()), MIX_GAPS)];
  ++mix_.size[mix_class(bytes.size(), MIX_SIZES)];
  unsigned char begin[MIX_BEGINNING] = {};
  const std::size_t length = std::min<std::size_t>(bytes.size(), MIX_BEGINNING);
  std::memcpy(begin, bytes.data(), length);
  ++mix_.endpoint[mix_endpoint(begin, static_cast<__u32>(length))];
}

std::string_view Representativeness::worst() const {
  if (endpoints <= sizes && endpoints <= gaps) return "endpoints";
  return sizes <= gaps ? "sizes" : "gaps";
}

std::optional<Representativeness> compare(const traffic_mix& sample, const traffic_mix& all) {
  if (too_few(sample.endpoint, all.endpoint)) return std::nullopt;
  Representativeness result{.endpoints = likeness_of_mixes(sample.endpoint, all.endpoint),
                            .sizes = likeness_of_distributions(sample.size, all.size),
                            .gaps = likeness_of_distributions(sample.gap, all.gap)};
  result.score = std::min({result.endpoints, result.sizes, result.gaps});
  return result;
}

}  // namespace gnomon::sampling
