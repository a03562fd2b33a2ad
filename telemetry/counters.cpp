#include "telemetry/counters.h"

#include <array>

namespace gnomon::telemetry {
namespace {

#define GNOMON_ROW(field, label, loss, help) {#field, label, &Set::field, loss, help},

constexpr auto tap_rows() {
  using Set = TapCounters;
  return std::to_array<Counter<Set>>({GNOMON_TAP_COUNTERS(GNOMON_ROW)});
}

constexpr auto replay_rows() {
  using Set = ReplayCounters;
  return std::to_array<Counter<Set>>({GNOMON_REPLAY_COUNTERS(GNOMON_ROW)});
}

constexpr auto kTap = tap_rows();
constexpr auto kReplay = replay_rows();

}  // namespace

template <>
std::span<const Counter<TapCounters>> counters_of() {
  return kTap;
}

template <>
std::span<const Counter<ReplayCounters>> counters_of() {
  return kReplay;
}

}  // namespace gnomon::telemetry
