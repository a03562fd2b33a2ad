#pragma once
// The counters that samples carry, each said once: its field, what people call it, whether it counts a loss, what it
// says. From these lists come the structs, their sums and differences, their wire form (the proto field of the same
// name), what is shown and what is exported. To add one: a line here, in the order that a request passes them, and a
// field of the same name in telemetry.proto.

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

// clang-format off: one line each
#define GNOMON_TAP_COUNTERS(COUNTER)                                                                                  \
  COUNTER(connections, "connections", false, "connections that production had while watched")                         \
  COUNTER(sampled_connections, "sampled connections", false, "of these, the ones whose requests are captured")        \
  COUNTER(bytes, "captured bytes", false, "bytes of requests, copied in the kernel; they stay on this machine")       \
  COUNTER(paused_bytes, "paused bytes", false, "bytes of requests passed over in pauses of the session: not copied")  \
  COUNTER(requests, "captured requests", false, "whole requests found in them")                                       \
  COUNTER(lost_records, "lost records", true, "the agent was too slow: the kernel's buffer was full")                 \
  COUNTER(lost_bytes, "lost bytes", true, "bytes not copied: in those records, unreadable, or after a hole")          \
  COUNTER(unreadable_bytes, "unreadable bytes", true, "of the lost bytes, those taken past the tap, or not copied")   \
  COUNTER(spliced_bytes, "spliced bytes", true, "of the unreadable bytes, those moved on by splice() or sendfile()")  \
  COUNTER(zero_copied_bytes, "zero-copied bytes", true, "of the unreadable bytes, those mapped into the service")     \
  COUNTER(discarded_bytes, "discarded bytes", true, "of the unreadable bytes, those thrown away by the service")      \
  COUNTER(other_call_bytes, "bytes by other calls", true, "of the unreadable bytes, read as the tap cannot follow")   \
  COUNTER(holes, "holes", true, "times that bytes of a captured connection were lost")                                \
  COUNTER(tls_unseen, "TLS unseen", true, "captured TLS connections whose plaintext went past the probed functions")  \
  COUNTER(peeked, "peeked", false, "reads of bytes that were captured already (MSG_PEEK): skipped")                   \
  COUNTER(broken_streams, "broken streams", true,                                                                     \
          "connections given up at a hole, so that nothing damaged is replayed")                                      \
  COUNTER(unparsable_streams, "unparsable streams", true,                                                             \
          "connections of an unknown protocol, or that ask for another one")                                          \
  COUNTER(truncated_requests, "truncated requests", true,                                                             \
          "closed, or joined, in the middle of a request: not replayed")                                              \
  COUNTER(oversized_requests, "oversized requests", true, "larger than is replayed")                                  \
  COUNTER(unjoinable_streams, "unjoinable streams", true, "not seen from their start, which their protocol needs")    \
  COUNTER(malformed_requests, "malformed requests", true, "a service refuses them: not replayed")                     \
  COUNTER(cancelled_requests, "cancelled requests", false, "taken back by the client before they were whole")         \
  COUNTER(unsampled_requests, "unsampled requests", false, "captured, but not chosen by the sampling of requests")    \
  COUNTER(not_replayable, "not replayable", false, "requests that subscribe, block or ask for another protocol")      \
  COUNTER(withheld_writes, "withheld writes", false,                                                                  \
          "requests that may write: replayed only if the descriptor says so")                                         \
  COUNTER(status_unknown, "status unknown", false,                                                                    \
          "responses of production without a readable HTTP status: not among its errors")                             \
  COUNTER(response_bytes, "response bytes", false,                                                                    \
          "of responses to be compared, copied in the kernel; they stay here")                                        \
  COUNTER(response_lost_bytes, "lost response bytes", true, "of those, not copied: the kernel's buffer was too full") \
  COUNTER(response_unreadable_bytes, "unreadable response bytes", true, "of those, sent by sendfile(), say: not copied")

#define GNOMON_REPLAY_COUNTERS(COUNTER)                                                      \
  COUNTER(offered, "offered", false, "captured requests handed to the replayer")             \
  COUNTER(copies, "copies", false, "replays scheduled")                                      \
  COUNTER(answered, "answered", false, "replays with a response")                            \
  COUNTER(error_answers, "answered with errors", false,                                      \
          "of these, the service's own errors: 5xx, a gRPC status, an error reply")          \
  COUNTER(refused, "refused", true, "the shadow accepted no connection")                     \
  COUNTER(reset, "reset", true, "the connection was reset by the shadow")                    \
  COUNTER(timed_out, "timed out", true, "no response in time")                               \
  COUNTER(shed, "shed", true, "not sent: too many were in flight")                           \
  COUNTER(cancelled, "cancelled", false, "not sent: their block ended before they were due") \
  COUNTER(late, "late", true, "sent more than 1 ms after they were due")
// clang-format on

namespace gnomon::telemetry {

// Where captured bytes went; every way of losing one has a counter.
struct TapCounters {
#define GNOMON_FIELD(field, label, loss, help) std::uint64_t field = 0;
  GNOMON_TAP_COUNTERS(GNOMON_FIELD)
  friend bool operator==(const TapCounters&, const TapCounters&) = default;
};

// Where replayed requests went. Over all blocks, offered × multiplicity = copies = answered + refused + reset +
// timed_out + shed + cancelled + injected errors (Sample::injected_errors) + still scheduled or in flight. Of these
// errors are error_answers (answered), refused, reset, timed_out, shed and the injected ones.
struct ReplayCounters {
  GNOMON_REPLAY_COUNTERS(GNOMON_FIELD)
#undef GNOMON_FIELD
  friend bool operator==(const ReplayCounters&, const ReplayCounters&) = default;
};

template <class T>
concept CounterSet = std::same_as<T, TapCounters> || std::same_as<T, ReplayCounters>;

template <CounterSet Set>
struct Counter {
  std::string_view name;   // "lost_bytes": of its field, here and on the wire
  std::string_view label;  // "lost bytes": for people
  std::uint64_t Set::*value = nullptr;
  bool loss = false;
  std::string_view help;
};

// All counters of one of the sets, in the order of its list.
template <CounterSet Set>
std::span<const Counter<Set>> counters_of();
template <>
std::span<const Counter<TapCounters>> counters_of();
template <>
std::span<const Counter<ReplayCounters>> counters_of();

template <CounterSet Set>
Set& operator+=(Set& sum, const Set& other) {
  for (const Counter<Set>& counter : counters_of<Set>()) sum.*counter.value += other.*counter.value;
  return sum;
}

// What was counted between two cumulative readings.
template <CounterSet Set>
Set difference(const Set& later, const Set& earlier) {
  Set result;
  for (const Counter<Set>& counter : counters_of<Set>())
    result.*counter.value = later.*counter.value - earlier.*counter.value;
  return result;
}

}  // namespace gnomon::telemetry
