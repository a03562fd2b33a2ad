#pragma once
// From what a service sends on one connection to whole responses, also where some of the bytes are not at hand.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "agent/protocol/body.h"

namespace gnomon::protocol {

struct Response {
  std::uint32_t status = 0;           // 0: not known, or none in this protocol
  std::optional<std::uint64_t> size;  // bytes of its body; nullopt: not known
  Body body;                          // as far as it was at hand and is kept
};

// One response after the other: expect(), feed() and skip() until it is kDone, take().
class ResponseReader {
 public:
  enum class Progress { kMore, kDone, kBroken };
  struct Expectation {
    bool head = false;          // it answers a HEAD: no body
    std::uint32_t replies = 1;  // messages that make it up
  };
  virtual ~ResponseReader() = default;
  virtual void expect(const Expectation& expectation) = 0;
  // Takes bytes off the front of `data`: `*used` of them belong to this response.
  virtual Progress feed(std::span<const std::byte> data, std::size_t* used) = 0;
  // The next `size` bytes are not at hand, of which `*used` belong to this response. kBroken, if where it ends cannot
  // be told without them.
  virtual Progress skip(std::uint64_t size, std::uint64_t* used) = 0;
  // The service has closed.
  virtual Progress finish() = 0;
  // Of the response under way: it ends with the connection.
  virtual bool until_close() const = 0;
  // What is known of the response by now, whole or not.
  virtual Response take() = 0;
};

}  // namespace gnomon::protocol
