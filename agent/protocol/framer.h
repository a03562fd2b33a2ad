#pragma once
// From one connection's bytes to whole requests. Every framer is incremental, bounded in memory, and strict: what it
// cannot frame with certainty it refuses.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/protocol/request.h"

namespace gnomon::protocol {

struct Limits {  // per connection
  std::size_t header_bytes = 64u << 10;
  // A whole request; a longer one is counted as oversized and the stream given up.
  std::size_t message_bytes = 8u << 20;
};

class RequestFramer {
 public:
  enum class State {
    kFraming,
    kJoining,     // started in the middle: waits for bytes after a send that begin a well-formed request
    kUnparsable,  // not its protocol, or ambiguous: nothing more will come
    kOversized,
    kUpgraded,    // what follows is another protocol
    kUnjoinable,  // started in the middle, and the protocol's meaning depends on what came before
  };
  virtual ~RequestFramer() = default;
  // Takes the next bytes of the stream; appends each request to `out` once, when it is whole. `after_send`: the service
  // has sent something since the last call.
  virtual void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) = 0;
  // The client has closed, and nothing of the stream was lost.
  virtual void end(MonoTime at, std::vector<Request>& out);
  virtual State state() const = 0;
  // Bytes of a request not yet whole: if the stream ends now, it is truncated.
  virtual bool mid_message() const = 0;
  virtual std::size_t held_bytes() const = 0;  // memory that it takes beyond its own size
  // Requests not yet whole: more than one where a protocol interleaves them.
  virtual std::size_t under_way() const { return mid_message() ? 1 : 0; }
  // Whether requests can be left out between others, and the stream gone on with as a joined one: none means anything
  // else for what was said before it.
  virtual bool has_no_memory() const { return false; }
  // Since the start: requests of which nothing comes although the stream goes on, in protocols that interleave them.
  struct Skipped {
    std::uint64_t oversized = 0;
    std::uint64_t truncated = 0;     // given up unfinished, for others' sake
    std::uint64_t cancelled = 0;     // by the client
    std::uint64_t malformed = 0;     // a service refuses them
    std::uint64_t unreplayable = 0;  // they ask for another protocol (CONNECT)
  };
  virtual Skipped skipped() const { return {}; }
};

inline void RequestFramer::end(MonoTime, std::vector<Request>&) {}

// Nothing more will come of it.
constexpr bool given_up(RequestFramer::State state) {
  return state != RequestFramer::State::kFraming && state != RequestFramer::State::kJoining;
}

}  // namespace gnomon::protocol
