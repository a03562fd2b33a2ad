// Requests and captured responses in any order, with gaps and repeats: every request that is sent has one outcome, and
// no memory is held when all is over. Input: which protocol, then steps of three bytes (what, flags, length), a
// response record's bytes following.
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

#include "agent/compare/pairing.h"
#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/memcached/memcached.h"
#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/redis/redis.h"

namespace {

using namespace gnomon;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tally = std::make_shared<compare::Tally>(1000);
  compare::Pairing pairing({.body = true, .bytes = 64}, tally);
  std::vector<std::shared_ptr<protocol::ReplayWatch>> watches;
  std::uint64_t sent = 0;
  std::uint32_t seq = 0xffffff00u, streams = 0;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.empty()) return 0;
  const protocol::Protocol* const spoken[] = {&protocol::http1(), &protocol::redis(), &protocol::memcached(),
                                              &protocol::postgres(), &protocol::http2()};
  const protocol::Protocol* const protocol = spoken[static_cast<std::uint8_t>(rest[0]) % std::size(spoken)];
  rest.remove_prefix(1);
  pairing.open(1, false);
  while (rest.size() >= 3) {
    const auto what = static_cast<std::uint8_t>(rest[0]), flags = static_cast<std::uint8_t>(rest[1]),
               length = static_cast<std::uint8_t>(rest[2]);
    rest.remove_prefix(3);
    if (what % 8 == 0) {
      protocol::Request request{.conn_id = 1, .protocol = protocol};
      request.bytes = std::make_shared<const std::string>();
      request.head = (flags & 1) != 0;
      request.answered = static_cast<protocol::Answered>((flags >> 3) % 5);
      request.replies = 1 + length % 3;
      request.values = length % 4;
      request.before = length / 64;
      request.stream = 2 * streams++ + 1;
      if ((flags & 2) != 0) pairing.sent(1);
      pairing.request(request, (flags & 4) == 0);
      if (request.watch) {
        request.watch->sent();
        ++sent;
        watches.push_back(std::move(request.watch));
      }
    } else if (what % 8 == 1) {
      if (watches.empty()) continue;
      const auto& watch = watches[length % watches.size()];
      protocol::Answer answer{.status = 200, .size = flags, .body = protocol::Body(64)};
      answer.body.add(std::string(flags, 'x'));
      watch->answered(answer);
    } else if (what % 8 == 2) {
      if ((flags & 1) != 0) pairing.hole(1);
      if ((flags & 2) != 0) pairing.give_up(1);
      if ((flags & 4) != 0) pairing.open(1, true);
    } else {
      tap_record header{};
      header.conn_id = 1;
      header.type = what % 8 == 3 ? TAP_RESPONSE_END : TAP_RESPONSE;
      header.flags = ((flags & 1) != 0 ? TAP_RESPONSE_BEGIN : 0u) | ((flags & 2) != 0 ? TAP_LOST_BEFORE : 0u);
      if ((flags & 4) != 0) seq += flags;
      if (flags == 0xff) seq -= 300;
      header.seq = seq;
      const std::string_view bytes = header.type == TAP_RESPONSE ? rest.substr(0, length) : std::string_view();
      header.len = static_cast<std::uint32_t>(bytes.size());
      pairing.record(header, std::as_bytes(std::span(bytes)));
      seq += header.len;
      rest.remove_prefix(bytes.size());
    }
    require(tally->held_bytes() <= 1000);
  }
  pairing.close(1);
  watches.clear();
  std::uint64_t counted = 0;
  for (const compare::Counts& counts : tally->counts())
    for (const std::uint64_t count : counts.count) counted += count;
  require(counted == sent && tally->held_bytes() == 0);
  return 0;
}
