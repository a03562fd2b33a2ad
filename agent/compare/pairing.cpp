#include "agent/compare/pairing.h"

#include <utility>

#include "agent/protocol/protocol.h"

namespace gnomon::compare {

void Pairing::open(std::uint64_t conn_id, bool joined) {
  Connection& connection = connections_[conn_id] = {};
  if (!joined) return;
  connection.lost = Outcome::kUnpaired;
  connection.fresh = false;
}

void Pairing::sent(std::uint64_t conn_id) {
  if (const auto found = connections_.find(conn_id); found != connections_.end()) ++found->second.sends;
}

void Pairing::request(protocol::Request& request, bool replayed) {
  const auto found = connections_.find(request.conn_id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const auto pair = replayed ? std::make_shared<Pair>(tally_, settings_, request.endpoint) : nullptr;
  request.watch = pair;
  if (!connection.reading && !connection.hopeless) begin(connection, *request.protocol);
  if (!connection.hopeless && connection.reading->hopeless()) despair(connection, *connection.reading->hopeless());
  // The first that comes after an answer is a send of its own; of a connection's first request none is.
  const std::uint32_t sends = std::exchange(connection.sends, 0);
  const std::uint32_t expected = std::exchange(connection.fresh, false) ? 0 : 1;
  if (connection.hopeless) {
    if (pair) pair->missing(*connection.hopeless);
    return;
  }
  connection.reading->request(request, pair, {.after_send = sends > 0, .torn = sends > expected});
  const std::string early = std::exchange(connection.early, {});
  take(connection, std::as_bytes(std::span(early)));
}

// With the first request, by which the protocol is known.
void Pairing::begin(Connection& connection, const protocol::Protocol& protocol) const {
  const std::size_t kept = settings_.body ? settings_.bytes : 0;
  if (auto in_order = protocol.responses(kept))
    connection.reading = read_in_order(std::move(in_order));
  else if (auto by_stream = protocol.stream_responses(kept))
    connection.reading = read_by_stream(std::move(by_stream));
  else
    return despair(connection, Outcome::kUnsupported);
  if (connection.lost) connection.reading->lose(*connection.lost);
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
    if (ahead < 0) lose(connection, Outcome::kUnpaired);
  } else if (lost) {
    lose(connection, Outcome::kLost);
  }
  connection.next = header.seq + static_cast<std::uint32_t>(payload.size());
  Reading* const reading = connection.reading.get();
  if (header.type == TAP_RESPONSE_END) {
    if (reading != nullptr)
      reading->end();
    else
      lose(connection, Outcome::kLost);
    return;
  }
  if ((header.flags & TAP_RESPONSE_BEGIN) != 0) {
    connection.from = header.seq;
    if (reading != nullptr) reading->begins(connection.sends > 0);
  }
  take(connection, payload);
  const auto bound = connection.from + static_cast<std::uint32_t>(settings_.bytes);
  if (reading != nullptr && static_cast<std::int32_t>(*connection.next - bound) >= 0) reading->at_bound();
}

void Pairing::hole(std::uint64_t conn_id) {
  const auto found = connections_.find(conn_id);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  connection.sends = 0;
  connection.fresh = false;
  connection.early.clear();
  if (connection.reading)
    connection.reading->hole();
  else
    lose(connection, Outcome::kLost);
}

void Pairing::give_up(std::uint64_t conn_id) {
  if (const auto found = connections_.find(conn_id); found != connections_.end())
    despair(found->second, Outcome::kUnpaired);
}

void Pairing::take(Connection& connection, std::span<const std::byte> data) {
  if (connection.reading && connection.early.empty()) data = data.subspan(connection.reading->take(data));
  if (data.empty() || (!connection.reading && connection.lost)) return;
  connection.early.append(reinterpret_cast<const char*>(data.data()), data.size());
  if (connection.early.size() > kMostEarly) lose(connection, Outcome::kUnpaired);
}

// `lost`: they were to be captured.
void Pairing::skip(Connection& connection, std::uint64_t size, bool lost) {
  if (connection.reading && connection.early.empty())
    connection.reading->skip(size, lost);
  else
    lose(connection, lost ? Outcome::kLost : Outcome::kTruncated);
}

void Pairing::lose(Connection& connection, Outcome why) {
  connection.early.clear();
  if (connection.reading)
    connection.reading->lose(why);
  else if (!connection.lost)
    connection.lost = why;
}

void Pairing::despair(Connection& connection, Outcome why) {
  if (connection.hopeless) return;
  connection.hopeless = why;
  if (connection.reading) connection.reading->despair(why);
  connection.reading.reset();
  connection.early.clear();
}

}  // namespace gnomon::compare
