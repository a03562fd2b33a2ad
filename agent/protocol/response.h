#pragma once
// From what a service sends on one connection to whole responses, also where some of the bytes are not at hand.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "agent/protocol/body.h"
#include "agent/protocol/endpoint.h"
#include "agent/protocol/request.h"

namespace gnomon::protocol {

struct Response {
  // The protocol's own code; where it has words ("WRONGTYPE", "42P01"), a number that stands for one; 0: none. Nullopt:
  // not known.
  std::optional<std::uint32_t> status;
  std::optional<std::uint64_t> size;  // bytes of its body; nullopt: not known
  Body body;                          // as far as it was at hand and is kept
};

// What comes of a response of messages, as they are read.
struct Gathered {
  Gathered() = default;
  explicit Gathered(std::size_t kept_body_bytes) : body(kept_body_bytes) {}
  void add(std::string_view bytes) {
    size += bytes.size();
    body.add(bytes);
  }
  void pass(std::uint64_t bytes) {  // which are not at hand
    size += bytes;
    body.gap();
  }
  void say(std::string_view word) {  // of its messages' words the first counts
    if (status == 0) status = status_of(word);
  }
  void fail(std::string_view word) {
    say(word);
    error = true;
  }

  std::uint32_t status = 0;
  bool error = false;
  std::uint64_t size = 0;
  Body body;
};

// One response after the other: expect(), feed() and skip() until it is kDone, take().
class ResponseReader {
 public:
  enum class Progress { kMore, kDone, kBroken };
  struct Expectation {
    bool head = false;               // it answers a HEAD: no body
    std::uint32_t before = 0;        // messages that come first and belong to no request
    std::uint32_t replies = 1;       // messages that make it up …
    bool up_to_sign = false;         // … or, instead, all up to a sign
    std::uint32_t values = 0;        // that it may hold; 0: not known
    bool error_is_doubtful = false;  // if it begins with an error, that may answer what was said before
  };
  virtual ~ResponseReader() = default;
  virtual void expect(const Expectation& expectation) = 0;
  // Takes bytes off the front of `data`: `*used` of them belong to this response, or come before it.
  virtual Progress feed(std::span<const std::byte> data, std::size_t* used) = 0;
  // The next `size` bytes are not at hand, of which `*used` belong to this response. kBroken, if where it ends cannot
  // be told without them.
  virtual Progress skip(std::uint64_t size, std::uint64_t* used) = 0;
  // The service has closed.
  virtual Progress finish() { return Progress::kBroken; }
  // Of the response under way: it ends with the connection.
  virtual bool until_close() const { return false; }
  // What is known of the response by now, whole or not.
  virtual Response take() = 0;
};

// Of a protocol that answers several requests at once: which one a response answers, its stream tells.
class StreamReader {
 public:
  struct Told {
    std::uint32_t stream = 0;
    Response response;
    bool damaged = false;  // bytes of it that were to be captured were lost
  };
  virtual ~StreamReader() = default;
  // A request, which may have been answered already. Here and below what has become whole is appended to `told`.
  virtual void expect(const Request& request, std::vector<Told>& told) = 0;
  // False: what follows on the connection cannot be told apart.
  virtual bool feed(std::span<const std::byte> data, std::vector<Told>& told) = 0;
  // The next `size` bytes are not at hand; `lost`: they were to be captured. False as above.
  virtual bool skip(std::uint64_t size, bool lost, std::vector<Told>& told) = 0;
  // What comes next is lost: appends what is known of the responses that are under way. No more is told of theirs and
  // of all streams up to `last`.
  virtual void stop(std::uint32_t last, std::vector<Told>& told) = 0;
  // What comes next, after bytes that nobody saw, is what the service has sent first since it has read. It is tried as
  // the beginning of a message: feed() is false if it cannot be one.
  virtual void resume() = 0;
  // Whether it has been found to be one. Before that nothing is told.
  virtual bool sure() const = 0;
};

}  // namespace gnomon::protocol
