#pragma once
// The client's side of one connection to a shadow, apart from its socket: what to send, and what the answers are.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/protocol/request.h"
#include "agent/protocol/response.h"

namespace gnomon::protocol {

// What the service said to one request.
struct Answer {
  std::uint64_t tag = 0;     // given with the request
  std::uint32_t status = 0;  // as in Response
  bool error = false;        // the service failed: 5xx, a gRPC status of the server's, an error reply
  std::uint64_t size = 0;    // bytes of the response's body
  Body body;                 // as far as it is kept
};

inline Answer answer_of(std::uint64_t tag, Gathered&& gathered) {
  return {.tag = tag,
          .status = gathered.status,
          .error = gathered.error,
          .size = gathered.size,
          .body = std::move(gathered.body)};
}

struct ClientSettings {
  std::string password;  // for a service that authenticates by challenge (PostgreSQL)
  // Of each response's body, in answers.
  std::size_t kept_body_bytes = 0;
};

// Calls are in the order of the connection's life. Bytes to be sent are appended to `out`, whether or not the
// connection is established yet.
class Client {
 public:
  virtual ~Client() = default;
  // Before the first request, which may bring a prelude.
  virtual void start(const Request& first, std::string& out);
  // How many requests may be unanswered at once.
  virtual std::size_t concurrency() const = 0;
  // Whether the connection can take another request, once fewer than concurrency() are unanswered.
  virtual bool reusable() const = 0;
  // Still exchanging what comes before the first request, which is held back.
  virtual bool handshaking() const { return false; }
  virtual void send(const Request& request, std::uint64_t tag, std::string& out) = 0;
  // Takes back an unanswered request, of which nothing is answered any more. False: that takes the connection with it.
  virtual bool cancel(std::uint64_t tag, std::string& out);
  // Takes bytes from the service. False: they are not understood, or come unasked; the connection is of no more use.
  virtual bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) = 0;
  // After that: whether the service has said that it did not begin on any request that is unanswered.
  virtual bool untouched() const { return false; }
  // Whether the client has times of its own, and is asked for them: advance() does what is due by `now`, and returns
  // when there is more to do unless something comes before. It is called after each call that sends or receives, once
  // the connection is established.
  virtual bool keeps_times() const { return false; }
  virtual std::optional<MonoTime> advance(MonoTime now, std::vector<Answer>& answers, std::string& out);
  // The service has closed: appends the answer that is delimited by it, if there is one.
  virtual void finish(std::vector<Answer>& answers);
};

inline void Client::start(const Request&, std::string&) {}
inline bool Client::cancel(std::uint64_t, std::string&) {
  return false;
}
inline std::optional<MonoTime> Client::advance(MonoTime, std::vector<Answer>&, std::string&) {
  return std::nullopt;
}
inline void Client::finish(std::vector<Answer>&) {}

}  // namespace gnomon::protocol
