#pragma once
// What holds of every protocol's framer and client, whatever bytes come.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/protocol/protocol.h"

namespace gnomon::protocol::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

struct Framed {
  std::vector<Request> requests;
  RequestFramer::State state{};
  bool mid_message = false;
};

// What a framer may hold beyond its limits: a message each of several that interleave, and its tables.
constexpr std::size_t kHeldMessages = 3, kHeldBesides = 256u << 10;

inline Framed frame(const Protocol& protocol, std::string_view stream, std::size_t piece, bool joined,
                    const Limits& limits) {
  const auto framer = protocol.framer(1, joined, limits);
  Framed framed;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    const std::string here(stream.substr(at, piece));  // of its own, so that a view kept of it is found out
    framer->feed(bytes_of(here), {}, joined && at == 0, framed.requests);
    require(framer->held_bytes() <= kHeldMessages * limits.message_bytes + kHeldBesides);
  }
  framed.state = framer->state();
  framed.mid_message = framer->mid_message();
  return framed;
}

// Where the stream is split does not matter; each request is whole, and a client can say it.
// Input: whether it joined, where to split, the stream. `verbatim`: units are pieces of the stream, in its order.
inline void check_framer(const Protocol& protocol, const std::uint8_t* data, std::size_t size, bool verbatim) {
  if (size < 3) return;
  constexpr Limits limits{.header_bytes = 512, .message_bytes = 2048};
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool joined = (data[0] & 1) != 0;
  const Framed whole = frame(protocol, stream, stream.size(), joined, limits);
  const Framed split = frame(protocol, stream, data[1] + 1u, joined, limits);
  require(whole.state == split.state && whole.mid_message == split.mid_message);
  require(whole.requests.size() == split.requests.size());
  const auto client = protocol.client({.password = "secret"});
  std::string out;
  std::size_t from = 0;
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    const Request &request = whole.requests[i], &other = split.requests[i];
    require(request.protocol == &protocol && *request.bytes == *other.bytes && request.endpoint == other.endpoint);
    require(request.write == other.write && request.replayable == other.replayable);
    require(request.replies == other.replies && !request.prelude == !other.prelude);
    require(!request.prelude || *request.prelude == *other.prelude);
    require(protocol.key(request, "key") == protocol.key(other, "key"));
    if (i == 0) client->start(request, out);
    if (client->reusable()) client->send(request, i, out);
    if (!verbatim) continue;
    from = stream.find(*request.bytes, from);
    require(from != std::string_view::npos);
    from += request.bytes->size();
  }
}

struct Heard {
  std::vector<Answer> answers;
  bool understood = true;
};

inline Heard hear(const Protocol& protocol, const std::vector<Request>& requests, std::string_view replies,
                  std::size_t piece) {
  const auto client = protocol.client({.password = "secret"});
  std::string out;
  Heard heard;
  client->start(requests.front(), out);
  std::uint64_t sent = 0;
  for (const Request& request : requests) client->send(request, sent++, out);
  bool cancelled = false;  // the first
  for (std::size_t at = 0; at < replies.size() && heard.understood; at += piece) {
    const std::string here(replies.substr(at, piece));
    heard.understood = client->receive(bytes_of(here), heard.answers, out);
    if (at == 0 && heard.understood) cancelled = client->cancel(0, out);
  }
  if (heard.understood) client->finish(heard.answers);
  std::vector<bool> answered(requests.size());
  for (const Answer& answer : heard.answers) {
    require(answer.tag < requests.size() && !answered[answer.tag]);
    answered[answer.tag] = true;
  }
  require(!cancelled || !answered[0]);
  return heard;
}

// Each request is answered at most once, and never when it was taken back. Input: how many of the requests are sent,
// where to split, what the service says. `sequential`: what this side says between two pieces has no part in what the
// second means, so that the answers are the same wherever they are split.
inline void check_client(const Protocol& protocol, const std::string& requests, const std::uint8_t* data,
                         std::size_t size, bool sequential = true) {
  if (size < 3) return;
  static const Framed framed = frame(protocol, requests, requests.size(), false, {});
  require(!framed.requests.empty());
  const std::vector<Request> sent(framed.requests.begin(),
                                  framed.requests.begin() + 1 + data[0] % static_cast<long>(framed.requests.size()));
  const std::string_view replies(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Heard whole = hear(protocol, sent, replies, replies.size());
  const Heard split = hear(protocol, sent, replies, data[1] + 1u);
  if (!sequential) return;
  require(whole.understood == split.understood && whole.answers.size() == split.answers.size());
  for (std::size_t i = 0; i < whole.answers.size(); ++i) {
    const Answer &one = whole.answers[i], &other = split.answers[i];
    require(one.tag == other.tag && one.error == other.error && one.status == other.status && one.size == other.size);
  }
}

}  // namespace gnomon::protocol::fuzz
