#pragma once
// From what a service sends on one connection to the pairs of the requests that it answers.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "agent/compare/pair.h"

namespace gnomon::compare {

// Calls are in the order in which requests and responses were captured. Where it has lost its place, the requests whose
// responses it cannot tell are counted as such, and after a last one (`hopeless`) all.
class Reading {
 public:
  static constexpr std::size_t kMostWaiting = 1024;  // requests

  // How a request came.
  struct Said {
    bool after_send = false;  // the service has sent since the request before
    bool torn = false;        // … and between its first and last byte
  };

  virtual ~Reading() = default;
  // `pair`: null, if it is not replayed.
  virtual void request(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said& said) = 0;
  // What comes next is the first that the service has sent since it has read. `sent`: it had sent as well since the
  // last request.
  virtual void begins(bool sent) { static_cast<void>(sent); }
  // Returns how many of the bytes it has taken; the rest it takes once there is another request.
  virtual std::size_t take(std::span<const std::byte> data) = 0;
  // The next `size` bytes are not at hand; `lost`: they were to be captured.
  virtual void skip(std::uint64_t size, bool lost) = 0;
  // No more will be captured until the service reads again.
  virtual void at_bound() {}
  // Whose bytes come next is not known.
  virtual void lose(Outcome why) = 0;
  // The service has closed.
  virtual void end() { lose(Outcome::kLost); }
  // Requests were lost here.
  virtual void hole() = 0;
  // None will be told any more.
  virtual void despair(Outcome why) = 0;
  std::optional<Outcome> hopeless() const { return hopeless_; }  // why

 protected:
  std::optional<Outcome> hopeless_;
};

// Of a protocol whose responses come in the order of its requests. A place from which on they cannot be told apart is
// left behind at the next response that surely begins one: the service has read since it sent last, and since all was
// answered the client has never had two requests under way; or it says several at once, and has always waited for all
// their answers.
std::unique_ptr<Reading> read_in_order(std::unique_ptr<protocol::ResponseReader> reader);

// Of one whose responses say which request they answer. After a loss, or the bound, those are told whose requests came
// later: from where the service has read, if the reader finds its place there.
std::unique_ptr<Reading> read_by_stream(std::unique_ptr<protocol::StreamReader> reader);

}  // namespace gnomon::compare
