#pragma once
// When each copy of a captured request is due. Pure: time and the seed are arguments.

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "agent/protocol/request.h"
#include "common/clock.h"

namespace gnomon::replay {

// One copy of a request, or, without a request, the end of its lane.
struct Due {
  MonoTime at{};
  std::uint64_t order = 0;  // of scheduling: what is due at the same time keeps it
  std::uint64_t conn_id = 0;
  std::uint32_t copy = 0;
  bool overdue = false;  // was handed over more than 1 ms after it should have been sent
  std::optional<protocol::Request> request;
};

// How far past its due time a copy may be sent before it counts as late.
inline constexpr Nanos kLate = std::chrono::milliseconds(1);

class Schedule {
 public:
  struct Timing {
    Nanos lag{0};
    Nanos copy_spread{0};
    std::size_t max_bytes = 0;  // of requests waiting, each copy counted
  };
  struct Added {
    std::uint64_t copies = 0;
    std::uint64_t shed = 0;  // of these, not scheduled: too many bytes are waiting
  };
  Schedule(Timing timing, std::uint64_t seed);

  // Schedules floor(multiplicity) copies, and one more with the remainder's probability. A copy is due `lag` after its
  // arrival plus its lane's shift, never before `now`. The shift of copy 0 is none, that of a further copy a number
  // from [0, copy_spread] that is the same for all requests of the connection, so that a lane keeps its order.
  Added add(protocol::Request request, double multiplicity, MonoTime now);
  // Schedules the end of the connection's lanes, after their requests. Unknown connections are ignored.
  void end(std::uint64_t conn_id, MonoTime now);

  std::optional<MonoTime> next() const;
  // The first one due by `now`.
  std::optional<Due> pop(MonoTime now);
  // Copies waiting.
  std::size_t copies() const { return copies_; }
  // Drops the copies waiting and returns their number; the ends of lanes stay.
  std::size_t clear();

 private:
  struct Source {
    std::uint32_t lanes = 0;
    MonoTime last_arrival{};
  };
  Nanos shift(std::uint64_t conn_id, std::uint32_t copy) const;
  void push(Due due);
  bool heap_is_next() const;

  const Timing timing_;
  const std::uint64_t seed_;
  std::mt19937_64 random_;
  // First copies come almost always in the order in which they are due, and need no heap then.
  std::deque<Due> queue_;
  std::vector<Due> heap_;                              // the rest
  std::unordered_map<std::uint64_t, Source> sources_;  // captured connections that are open
  std::uint64_t order_ = 0;
  std::size_t copies_ = 0, bytes_ = 0;
};

}  // namespace gnomon::replay
