// A copy's way onto a connection of its lane, and what becomes of lanes and connections.

#include <algorithm>
#include <utility>

#include "agent/protocol/protocol.h"
#include "agent/replay/replayer_impl.h"

namespace gnomon::replay {

void Replayer::Impl::dispatch(Due&& due, MonoTime now) {
  const Ledger::AccountPtr& account = ledger.current();
  Reading& reading = account->delta;
  ++reading.replayed;
  if (exchanges.size() >= limits.in_flight) {
    ++reading.counters.shed;
    ++reading.errors;
    return;
  }
  if (due.overdue || now - due.at > kLate) ++reading.counters.late;
  const noise::Draw drawn = account->noise.draw(random);
  // What is waited for on purpose is not a time-out.
  const MonoTime deadline = now + limits.timeout + due.request->lasts + drawn.response_delay;
  auto later = exchanges.end();
  while (later != exchanges.begin() && std::prev(later)->deadline > deadline) --later;
  if (ended.empty()) ended.emplace_back();
  exchanges.splice(later, ended, ended.begin());
  Exchange& exchange = *std::prev(later);
  exchange.self = std::prev(later);
  exchange.due = std::move(due);
  exchange.deadline = deadline;
  exchange.account = account;
  exchange.noise = drawn;
  if (protocol::ReplayWatch* const watch = watch_of(exchange)) watch->sent();
  start(exchange);
}

// On a connection of its lane that can take it, or a further one. One that is to be cut goes out alone: nothing else
// shall be lost with it. Of those that take one request at a time it is the one that answered last, which costs
// least (docs/cost.md).
void Replayer::Impl::start(Exchange& exchange) {
  const std::pair key(exchange.due.conn_id, exchange.due.copy);
  Lane& lane = lanes.try_emplace(key, Lane{.key = key, .ready = {}}).first->second;
  if (!lane.ready.empty() && lane.ready.back()->concurrency() == 1) return put(exchange, lane.ready.back());
  const auto usable = std::find_if(lane.ready.begin(), lane.ready.end(), [&](const WirePtr& wire) {
    return wire->has_room() && (!exchange.noise.fail || wire->exchanges.empty());
  });
  put(exchange, usable != lane.ready.end() ? *usable : open_wire(lane, *exchange.due.request));
}

// A new connection, in the lane's ready ones.
WirePtr Replayer::Impl::open_wire(Lane& lane, const protocol::Request& first) {
  auto client = tls ? tls->client(first, client_settings) : first.protocol->client(client_settings);
  auto wire = std::make_shared<Wire>(loop, *this, std::move(client), scratch, lane);
  ++lane.open;
  ++open;
  lane.ready.push_back(wire);
  const Ledger::AccountPtr& account = ledger.current();
  wire->refused = noise::happens(account->phase.noise.refusal, random);
  ++account->delta.noise.connections;
  if (wire->refused) ++account->delta.noise.refused;
  wire->open(wire->refused ? std::nullopt : shadow, first);
  return wire;
}

void Replayer::Impl::put(Exchange& exchange, const WirePtr& wire) {
  const WirePtr alive = wire;  // `wire` may be an element of what is erased from here
  exchange.wire = alive;
  alive->exchanges.push_back(&exchange);
  if (exchange.noise.fail || alive->exchanges.size() == alive->concurrency()) std::erase(alive->lane.ready, alive);
  alive->send(*exchange.due.request, tag_of(exchange), exchange.noise.fail);
}

void Replayer::Impl::end_lane(const Due& due) {
  const auto found = lanes.find({due.conn_id, due.copy});
  if (found == lanes.end()) return;
  Lane& lane = found->second;
  lane.ended = true;
  for (const WirePtr& wire : std::vector(lane.ready)) {  // the last one takes the lane with it
    if (!wire->exchanges.empty()) continue;
    wire->close(false);
    forget(*wire);
  }
}

void Replayer::Impl::keep_or_close(const WirePtr& wire, bool asked_to_close) {
  Lane& lane = wire->lane;
  // Further connections of busy lanes are kept as well: opening them anew would load the shadow with what no client
  // did.
  const bool keep = wire->reusable() && !asked_to_close && !lane.ended && open <= limits.in_flight;
  if (!keep) std::erase(lane.ready, wire);
  if (!keep && wire->exchanges.empty()) {
    wire->close(false);
    return forget(*wire);
  }
  if (keep && wire->has_room() && std::ranges::count(lane.ready, wire) == 0) lane.ready.push_back(wire);
}

// Takes a closed connection out of its lane, and the lane away with its last.
void Replayer::Impl::forget(Wire& wire) {
  Lane& lane = wire.lane;
  std::erase_if(lane.ready, [&](const WirePtr& ready) { return ready.get() == &wire; });
  --open;
  if (--lane.open == 0) lanes.erase(std::pair(lane.key));
}

}  // namespace gnomon::replay
