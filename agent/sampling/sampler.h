#pragma once
// Which of the framed requests are replayed. Pure.
//
// With kConnection the kernel's dice have chosen the connection already, and every request of it is kept. With the
// other selectors the kernel captures all connections, and each request is kept with the same inclusion probability π,
// the fraction, so that the sample is self-weighting: sums over it times 1/π are unbiased for all traffic (Horvitz and
// Thompson 1952), and no request needs a weight of its own.
//
// kRequest is stratified: connections are spread over kStrata strata by a hash, and of each L = ⌊1/π⌋ consecutive
// requests of a stratum one is kept, at a random position, with probability π·L (above one half, that is how one is
// left out). Each request's probability is exactly π. A busy connection's number of kept requests is at most one for
// each L of its stratum's, so that it cannot dominate the sample by luck, as it does when the dice choose it as a
// whole; and as the position is drawn anew each time, traffic with a period is not in step with it.
//
// kKey keeps or leaves all requests of a key ("header:x-user", "key", "user") on every connection, node and day, as
// long as the seed is the same; of a larger fraction the keys of a smaller one are a part. Requests without it are
// treated as with kRequest.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "agent/protocol/request.h"
#include "common/units.h"

namespace gnomon::sampling {

enum class Selector { kConnection, kRequest, kKey };

// "connection", "request", "header:NAME", "key" or "user"; anything else is kInvalidArgument.
absl::StatusOr<Selector> parse_selector(std::string_view text);

struct Settings {
  Fraction fraction{1};
  std::string selector = "connection";  // as parse_selector() takes it; unknown ones are taken as "connection"
  std::uint64_t seed = 0;               // the same on all nodes, for keys to be the same
};

// Not thread-safe: its owner locks. Allocates nothing after its construction.
class Sampler {
 public:
  static constexpr std::size_t kStrata = 1024;

  explicit Sampler(Settings settings);
  // Whether to keep it. To be asked once of each request, in the order of its connection.
  bool choose(const protocol::Request& request);
  // From the next request on.
  void set_fraction(Fraction fraction);

  Selector selector() const { return selector_; }
  // π, of what is offered to choose(): 1 with kConnection.
  double inclusion_probability() const;

 private:
  struct Stratum {
    std::uint64_t window = 0;
    std::uint32_t left = 0;  // requests of the window to come
    std::uint32_t pick = 0;  // the one singled out, by what is then left; 0: none
  };
  bool choose_in_stratum(std::uint64_t conn_id);
  void open_window(std::size_t index);

  const Settings settings_;
  const Selector selector_;
  double fraction_ = 1;
  bool leave_out_ = false;    // the request singled out is the one not kept
  std::uint32_t window_ = 1;  // L
  double chance_ = 1;         // that a window singles one out
  std::uint64_t epoch_ = 0;   // number of fractions set
  std::array<Stratum, kStrata> strata_{};
};

}  // namespace gnomon::sampling
