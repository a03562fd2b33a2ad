#include "agent/compare/pairing.h"

#include <utility>

#include "agent/protocol/protocol.h"

namespace gnomon::compare {

void Pairing::open(std::uint64_t conn_id, bool joined) {
  connections_[conn_id] = Connection{.synced = !joined};
}

void Pairing::sent(std::uint64_t conn_id) {
  if (const auto found = connections_.find(conn_id); found != connections_.end()) found->second.sent = true;
}

void Pairing::request(protocol::Request& request, bool replayed) {
  const auto found = connections_.find(request.conn_id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const auto pair = replayed ? std::make_shared<Pair>(tally_, settings_, request.endpoint) : nullptr;
  request.watch = pair;
  if (!connection.hopeless && !connection.reader) {
    connection.reader = request.protocol->responses(settings_.body ? settings_.bytes : 0);
    if (!connection.reader) despair(connection, Outcome::kUnsupported);
  }
  if (!connection.waiting.empty() && !connection.sent) connection.pipelined = true;
  connection.sent = false;
  if (connection.waiting.size() == kMostWaiting) despair(connection, Outcome::kUnpaired);
  if (connection.hopeless) {
    if (pair) pair->missing(connection.lost_by);
    return;
  }
  connection.waiting.push_back({{.head = request.head, .replies = request.replies}, pair});
  if (connection.synced && !connection.early.empty()) {
    const std::string early = std::exchange(connection.early, {});
    take(connection, std::as_bytes(std::span(early)));
  }
}

void Pairing::record(const tap_record& header, std::span<const std::byte> payload) {
  const auto found = connections_.find(header.conn_id);
  if (found == connections_.end() || found->second.hopeless) return;
  Connection& connection = found->second;
  const bool lost = (header.flags & TAP_LOST_BEFORE) != 0;
  if (connection.next) {
    // The difference of sequence numbers, signed: right across the wrap at 2^32.
    const auto ahead = static_cast<std::int32_t>(header.seq - *connection.next);
    if (ahead > 0) skip(connection, static_cast<std::uint64_t>(ahead), lost);
    if (ahead < 0) lose_sync(connection, Outcome::kUnpaired);
  } else if (lost) {
    lose_sync(connection, Outcome::kLost);
  }
  connection.next = header.seq + static_cast<std::uint32_t>(payload.size());
  if (header.type == TAP_RESPONSE_END) {
    if (connection.synced && connection.reading && connection.reader->finish() == Progress::kDone)
      pop(connection);
    else
      lose_sync(connection, Outcome::kLost);
    return;
  }
  const bool begins = (header.flags & TAP_RESPONSE_BEGIN) != 0;
  if (begins) connection.from = header.seq;
  if (!connection.synced && !(begins && resync(connection))) return;
  take(connection, payload);
  tell_at_bound(connection);
}

void Pairing::hole(std::uint64_t conn_id) {
  const auto found = connections_.find(conn_id);
  if (found == connections_.end()) return;
  lose_sync(found->second, Outcome::kLost);
  drop(found->second, 0, Outcome::kLost);
}

void Pairing::give_up(std::uint64_t conn_id) {
  if (const auto found = connections_.find(conn_id); found != connections_.end())
    despair(found->second, Outcome::kUnpaired);
}

void Pairing::take(Connection& connection, std::span<const std::byte> data) {
  while (!data.empty() && connection.synced) {
    if (connection.waiting.empty()) {
      connection.early.append(reinterpret_cast<const char*>(data.data()), data.size());
      if (connection.early.size() > kMostEarly) lose_sync(connection, Outcome::kUnpaired);
      return;
    }
    if (!connection.reading) begin(connection);
    std::size_t used = 0;
    const Progress progress = connection.reader->feed(data, &used);
    data = data.subspan(used);
    if (progress == Progress::kDone) pop(connection);
    if (progress == Progress::kBroken) lose_sync(connection, Outcome::kUnpaired);
  }
}

// `lost`: they were to be captured.
void Pairing::skip(Connection& connection, std::uint64_t size, bool lost) {
  const Outcome why = lost ? Outcome::kLost : Outcome::kTruncated;
  while (size > 0 && connection.synced) {
    if (!connection.reading) return lose_sync(connection, why);
    connection.damaged = connection.damaged || lost;
    std::uint64_t used = 0;
    const Progress progress = connection.reader->skip(size, &used);
    size -= used;
    if (progress == Progress::kDone) pop(connection);
    if (progress != Progress::kBroken) continue;
    tell(connection);
    lose_sync(connection, why);
  }
}

// At bytes that begin a response. Whose it is, is certain where the client waits for each before it says more: the last
// request's.
bool Pairing::resync(Connection& connection) {
  if (connection.waiting.empty()) return false;
  if (connection.pipelined) {
    despair(connection, connection.lost_by);
    return false;
  }
  drop(connection, 1, connection.lost_by);
  connection.synced = true;
  return true;
}

void Pairing::lose_sync(Connection& connection, Outcome why) {
  if (!connection.synced) return;
  connection.synced = false;
  connection.lost_by = why;
  connection.early.clear();
  if (connection.reading) drop(connection, connection.waiting.size() - 1, why);
  connection.reading = false;
}

void Pairing::despair(Connection& connection, Outcome why) {
  if (connection.hopeless) return;
  drop(connection, 0, why);
  connection.hopeless = true;
  connection.lost_by = why;
  connection.early.clear();
}

// Nothing more of the response will be captured: where its size is known, or never will be, it need not wait for its
// end.
void Pairing::tell_at_bound(Connection& connection) {
  if (!connection.synced || !connection.reading || connection.reader->until_close()) return;
  const auto bound = connection.from + static_cast<std::uint32_t>(settings_.bytes);
  if (static_cast<std::int32_t>(*connection.next - bound) >= 0) tell(connection);
}

void Pairing::begin(Connection& connection) {
  connection.reader->expect(connection.waiting.front().expectation);
  connection.reading = true;
  connection.told = connection.damaged = false;
}

void Pairing::tell(Connection& connection) {
  if (std::exchange(connection.told, true)) return;
  if (const auto& pair = connection.waiting.front().pair)
    pair->production(connection.reader->take(), connection.damaged);
}

// The response to the first is whole.
void Pairing::pop(Connection& connection) {
  tell(connection);
  connection.waiting.pop_front();
  connection.reading = false;
}

void Pairing::drop(Connection& connection, std::size_t kept, Outcome why) {
  while (connection.waiting.size() > kept) {
    if (const auto& pair = connection.waiting.front().pair) pair->missing(why);
    connection.waiting.pop_front();
  }
  if (connection.waiting.empty()) connection.reading = false;
}

}  // namespace gnomon::compare
