#pragma once
// Whether what is captured looks like all of the traffic. Pure.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bpf/abi/mix.h"
#include "common/clock.h"

namespace gnomon::sampling {

// Keeps the mix of the requests that it is shown. Not thread-safe; allocates nothing.
class MixRecorder {
 public:
  // `bytes` as captured; `arrival` of its first byte. To be told of every request of a connection, in order, `chosen`
  // or not: the time since the one before is the request's own, whether that one was chosen or not.
  void add(std::uint64_t conn_id, MonoTime arrival, std::string_view bytes, bool chosen);
  const traffic_mix& mix() const { return mix_; }

 private:
  struct Last {
    std::uint64_t conn_id = 0;
    MonoTime arrival{};
  };
  static constexpr std::size_t kRemembered = 4096;  // connections; one that is forgotten misses one gap
  traffic_mix mix_{};
  std::array<Last, kRemembered> last_{};
};

struct Representativeness {
  double score = 1;  // in [0, 1], the least of the three
  double endpoints = 1, sizes = 1, gaps = 1;
  // "endpoints", "sizes" or "gaps": which of them the score is.
  std::string_view worst() const;
};

// How much `sample` is like `all`: for endpoints 1 - the Jensen-Shannon distance (square root of the divergence in
// bits, Lin 1991; Endres and Schindelin 2003), for sizes and gaps 1 - the Kolmogorov-Smirnov distance over their
// classes. Of each the part that chance alone explains at these counts is taken off first (of the divergence, its mean
// plus two standard deviations under χ²/8n; of the other, the 5% point 1.36/√n), so that a small fair sample scores 1.
// A part of which either has fewer than kFewest counts stays 1; nullopt if that is so of endpoints.
inline constexpr std::uint64_t kFewest = 100;
std::optional<Representativeness> compare(const traffic_mix& sample, const traffic_mix& all);

}  // namespace gnomon::sampling
