#pragma once
// A whole captured request: the unit of replay.

#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.h"

namespace gnomon::protocol {

class Protocol;
struct Answer;

// Is told, on the replayer's thread, what becomes of a request's first copy; nothing more will when it is gone.
class ReplayWatch {
 public:
  virtual ~ReplayWatch() = default;
  virtual void sent() = 0;
  virtual void answered(const Answer& answer) = 0;
};

// How a service answers a request, for whoever wants to tell its responses apart.
enum class Answered : std::uint8_t {
  kByCount,      // by as many messages as `replies`
  kByErrorOnly,  // by none, unless it fails
  kUpToSign,     // by what comes before the sign that its client has asked for after it (memcached's mn)
  kUncertain,    // by nobody knows how many messages
  kUnordered,    // from here on the connection's messages answer no requests (SUBSCRIBE)
};

struct Request {
  std::uint64_t conn_id = 0;
  MonoTime arrival{};                  // when the kernel had queued its first byte for production
  const Protocol* protocol = nullptr;  // whose client speaks it to a shadow
  // The unit in its protocol's form (HTTP/1.1, Redis, …: exactly as received); shared by its replays.
  std::shared_ptr<const std::string> bytes;
  // What its connection had said before that a new connection must say first (credentials and settings of the session);
  // null: nothing. Shared by the requests of the connection until it changes.
  std::shared_ptr<const std::string> prelude;
  std::string endpoint;       // its class, of bounded variety: "GET /users/{}", "HSET", "SELECT orders"
  std::uint32_t replies = 1;  // messages the service answers it with; 0: none is awaited
  Answered answered = Answered::kByCount;
  std::uint32_t before = 0;  // messages that answer what its client had said before, of which no request is made
  std::uint32_t values = 0;  // that its answer may hold (memcached's get); 0: not known
  std::uint32_t stream = 0;  // where its connection carries several at once: which one is its
  bool write = false;        // may change the service's state: replayed only where the descriptor says so
  // False: counted and never replayed, whatever is allowed: it blocks, subscribes, or ends what it is said to.
  bool replayable = true;
  bool head = false;                   // HEAD: the response has no body
  bool close = false;                  // the client asked for the connection to be closed after it
  Nanos lasts{0};                      // how long saying it takes, which is no part of its time-out
  std::shared_ptr<ReplayWatch> watch;  // null: nobody asks
};

}  // namespace gnomon::protocol
