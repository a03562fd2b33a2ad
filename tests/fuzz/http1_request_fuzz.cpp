// The request framer on arbitrary bytes: where the stream is split must not matter, and what comes out must be pieces
// of what went in, in order. Input: whether it joined, where to split, the stream.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "agent/protocol/http1/http1.h"

namespace {

using gnomon::protocol::Http1RequestFramer;
using gnomon::protocol::Request;

constexpr gnomon::protocol::Limits kLimits{.header_bytes = 512, .message_bytes = 2048};

struct Outcome {
  std::vector<Request> requests;
  Http1RequestFramer::State state;
  bool mid_message;
};

Outcome frame(std::string_view stream, std::size_t piece, bool joined) {
  Http1RequestFramer framer(1, joined, kLimits);
  Outcome outcome{};
  for (std::size_t at = 0; at < stream.size(); at += piece)
    framer.feed(std::as_bytes(std::span(stream.substr(at, piece))), {}, joined && at == 0, outcome.requests);
  outcome.state = framer.state();
  outcome.mid_message = framer.mid_message();
  return outcome;
}

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool joined = (data[0] & 1) != 0;
  const Outcome whole = frame(stream, stream.size(), joined), split = frame(stream, data[1] + 1u, joined);
  require(whole.state == split.state && whole.mid_message == split.mid_message);
  require(whole.requests.size() == split.requests.size());
  std::size_t from = 0;
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    const std::string& bytes = *whole.requests[i].bytes;
    require(bytes == *split.requests[i].bytes && bytes.size() <= kLimits.message_bytes);
    from = stream.find(bytes, from);
    require(from != std::string_view::npos);
    from += bytes.size();
  }
  return 0;
}
