// What a service sends, arbitrary bytes with some of them missing, read as responses: where it is split does not
// matter. Input: which protocol, what is expected, where to split, where bytes are missing and how many, the rest of
// them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/memcached/memcached.h"
#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/redis/redis.h"

namespace {

using namespace gnomon::protocol;
using Progress = ResponseReader::Progress;

constexpr std::size_t kKept = 2048;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Input {
  std::uint8_t protocol = 0, expected = 0, piece = 0, from = 0, missing = 0;
  std::string_view stream;
};

using Seen = std::vector<Response>;

bool same(const Response& one, const Response& other) {
  return one.status == other.status && one.size == other.size && one.body.size() == other.body.size() &&
         !one.body.differs(other.body);
}

// Up to the end, or to where it cannot be told apart.
Seen read_in_order(ResponseReader& reader, const Input& input, std::size_t piece) {
  Seen seen;
  const ResponseReader::Expectation expectation{.head = (input.expected & 1) != 0,
                                                .before = input.expected >> 1 & 1u,
                                                .replies = 1 + (input.expected >> 2 & 1u),
                                                .up_to_sign = (input.expected & 8) != 0,
                                                .values = input.expected >> 4 & 3u,
                                                .error_is_doubtful = (input.expected & 64) != 0};
  reader.expect(expectation);
  const auto done = [&](Progress progress) {
    if (progress != Progress::kDone) return progress == Progress::kMore;
    seen.push_back(reader.take());
    require(seen.back().size.has_value());
    reader.expect(expectation);
    return true;
  };
  for (std::size_t at = 0; at < input.stream.size();) {
    if (at == input.from) {
      std::uint64_t left = std::min<std::size_t>(input.missing, input.stream.size() - at);
      at += left;
      while (left > 0) {
        std::uint64_t used = 0;
        const Progress progress = reader.skip(left, &used);
        require(used <= left && (progress != Progress::kMore || used > 0));
        left -= used;
        if (!done(progress)) return seen;
      }
      if (input.missing > 0) continue;
    }
    const std::string_view here = input.stream.substr(at, at < input.from ? std::min(piece, input.from - at) : piece);
    std::size_t used = 0;
    const Progress progress = reader.feed(std::as_bytes(std::span(here)), &used);
    require(used <= here.size() && (progress != Progress::kMore || used == here.size()));
    if (!done(progress)) return seen;
    at += used;
    if (used == 0 && progress == Progress::kDone) break;
  }
  seen.push_back(reader.take());
  return seen;
}

Seen read_by_stream(StreamReader& reader, const Input& input, std::size_t piece) {
  std::vector<StreamReader::Told> told;
  Request request;
  request.bytes = std::make_shared<const std::string>();
  for (request.stream = 1; request.stream < 8; request.stream += 2) reader.expect(request, told);
  bool good = true;
  for (std::size_t at = 0; good && at < input.stream.size();) {
    if (at == input.from && input.missing > 0) {
      const std::size_t missing = std::min<std::size_t>(input.missing, input.stream.size() - at);
      if (!reader.skip(missing, false, told)) {
        reader.stop(3, told);
        reader.resume();
      }
      at += missing;
      continue;
    }
    const std::string_view here = input.stream.substr(at, at < input.from ? std::min(piece, input.from - at) : piece);
    good = reader.feed(std::as_bytes(std::span(here)), told);
    at += here.size();
  }
  reader.stop(8, told);
  require(told.size() <= 4);
  Seen seen;
  for (auto& one : told) seen.push_back(std::move(one.response));
  return seen;
}

Seen read(const Input& input, std::size_t piece) {
  const Protocol* const protocols[] = {&http1(), &redis(), &memcached(), &postgres(), &http2()};
  const Protocol& protocol = *protocols[input.protocol % std::size(protocols)];
  if (const auto reader = protocol.responses(kKept)) return read_in_order(*reader, input, piece);
  return read_by_stream(*protocol.stream_responses(kKept), input, piece);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6) return 0;
  const Input input{.protocol = data[0],
                    .expected = data[1],
                    .piece = data[2],
                    .from = data[3],
                    .missing = data[4],
                    .stream = {reinterpret_cast<const char*>(data) + 5, size - 5}};
  const Seen whole = read(input, input.stream.size()), split = read(input, input.piece + 1u);
  require(whole.size() == split.size());
  for (std::size_t i = 0; i < whole.size(); ++i) require(same(whole[i], split[i]));
  return 0;
}
