// The response framer on arbitrary bytes: where the stream is split must not matter. Input: whether it answers a HEAD,
// where to split, the stream.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/protocol/http1/http1.h"

namespace {

using gnomon::protocol::Http1ResponseFramer;
using Progress = Http1ResponseFramer::Progress;

struct Outcome {
  Progress progress = Progress::kMore;
  int status = 0;
  bool keep_alive = false;
  std::size_t used = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome frame(std::string_view stream, std::size_t piece, bool head) {
  Http1ResponseFramer framer;
  framer.expect(head);
  Outcome outcome;
  for (std::size_t at = 0; at < stream.size() && outcome.progress == Progress::kMore; at += piece) {
    const std::string_view here = stream.substr(at, piece);
    std::size_t used = 0;
    outcome.progress = framer.feed(std::as_bytes(std::span(here)), &used);
    if (used > here.size()) std::abort();
    if (outcome.progress == Progress::kMore && used != here.size()) std::abort();
    outcome.used += used;
  }
  if (outcome.progress == Progress::kMore) outcome.progress = framer.finish();
  outcome.status = framer.status();
  outcome.keep_alive = framer.keep_alive();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool head = (data[0] & 1) != 0;
  if (!(frame(stream, stream.size(), head) == frame(stream, data[1] + 1u, head))) std::abort();
  return 0;
}
