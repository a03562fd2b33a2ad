#pragma once
// What came of comparing responses, by class of endpoint; and how many bytes wait to be compared. Thread-safe.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::compare {

enum class Outcome : std::uint8_t {
  kSame,
  kOtherStatus,
  kOtherSize,  // of the body, the status being the same
  kOtherBody,  // as far as it was captured, status and size being the same
  // Not compared.
  kLost,         // not all that was to be captured of production's response was
  kTruncated,    // nothing differs, but its end lies beyond what is captured
  kUnpaired,     // which response answers it cannot be told
  kUnanswered,   // the shadow gave no whole response
  kUnsupported,  // its protocol's responses are not compared
  kTooMany,      // as many responses as may be were waiting to be compared
  kOutcomes,
};
inline constexpr std::size_t kOutcomes = static_cast<std::size_t>(Outcome::kOutcomes);

struct Counts {
  std::string endpoint;
  std::array<std::uint64_t, kOutcomes> count{};
  std::uint64_t of(Outcome outcome) const { return count[static_cast<std::size_t>(outcome)]; }
  friend bool operator==(const Counts&, const Counts&) = default;
};

class Tally {
 public:
  static constexpr std::size_t kMostClasses = 256;
  static constexpr std::string_view kOthers = "…";  // of what has no room among them
  static constexpr std::size_t kMostHeldBytes = 32u << 20;

  explicit Tally(std::size_t most_held_bytes = kMostHeldBytes) : most_held_(most_held_bytes) {}
  void count(const std::string& endpoint, Outcome outcome);
  std::vector<Counts> counts() const;  // in the order of the classes' names

  // Asks for room for so many bytes, until let_go(). False: there is none.
  bool hold(std::size_t bytes);
  void let_go(std::size_t bytes) { held_ -= bytes; }
  std::size_t held_bytes() const { return held_; }

 private:
  const std::size_t most_held_;
  std::atomic<std::size_t> held_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, Counts> classes_;
};

}  // namespace gnomon::compare
