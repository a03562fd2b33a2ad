// What becomes of a copy that was sent: an answer, a failure, or nothing in time.

#include <algorithm>
#include <utility>

#include "agent/replay/replayer_impl.h"

namespace gnomon::replay {

using std::chrono::steady_clock;

void Replayer::Impl::answered(Connection& connection, const protocol::Answer& answer) {
  auto& wire = static_cast<Wire&>(connection);
  const auto found = std::find_if(wire.exchanges.begin(), wire.exchanges.end(),
                                  [&](const Exchange* sent) { return tag_of(*sent) == answer.tag; });
  if (found == wire.exchanges.end()) return;
  Exchange& exchange = **found;
  exchange.answer = answer;
  if (protocol::ReplayWatch* const watch = watch_of(exchange)) watch->answered(exchange.answer);
  const MonoTime now = exchange.answered = steady_clock::now();
  if (exchange.noise.response_delay == Nanos(0)) return deliver(exchange, now);
  exchange.held = holding.emplace(now + exchange.noise.response_delay, &exchange);
  arm();
}

void Replayer::Impl::deliver(Exchange& exchange, MonoTime now) {
  Reading& reading = exchange.account->delta;
  ++reading.counters.answered;
  ++reading.noise.requests;
  if (exchange.held) reading.noise.add_delay(now - exchange.answered);
  if (exchange.answer.error) {
    ++reading.counters.error_answers;
    ++reading.errors;
  } else {
    reading.response_time.record(now - exchange.due.at);
  }
  const WirePtr wire = exchange.wire;
  const bool asked_to_close = exchange.due.request->close;
  finish(exchange);
  if (wire) keep_or_close(wire, asked_to_close);
}

void Replayer::Impl::failed(Connection& connection, Connection::Failure failure) {
  auto& wire = static_cast<Wire&>(connection);
  switch (failure) {
    case Connection::Failure::kNoSocket:
      return give_up(wire, &telemetry::ReplayCounters::shed);
    case Connection::Failure::kRefused:
      if (wire.refused) return cut(wire);
      return give_up(wire, &telemetry::ReplayCounters::refused);
    case Connection::Failure::kReset:
      return give_up(wire, &telemetry::ReplayCounters::reset);
    case Connection::Failure::kStale:
      break;
  }
  // The shadow has closed just as these went out, or says that it did not begin with them: clients send them again, and
  // so does the replay.
  Lane& lane = wire.lane;
  WirePtr fresh;
  for (Exchange* exchange : std::vector(wire.exchanges)) {
    if (exchange->held || std::exchange(exchange->retried, true)) continue;
    if (!fresh || !fresh->has_room()) fresh = open_wire(lane, *exchange->due.request);
    std::erase(wire.exchanges, exchange);
    put(*exchange, fresh);
  }
  give_up(wire, &telemetry::ReplayCounters::reset);
}

// What was sent on a closed connection and not answered counts as `counter` says; what is held will be delivered.
void Replayer::Impl::give_up(Wire& wire, std::uint64_t telemetry::ReplayCounters::*counter) {
  const WirePtr alive = std::static_pointer_cast<Wire>(wire.shared_from_this());
  for (Exchange* exchange : std::exchange(wire.exchanges, {})) {
    exchange->wire = nullptr;
    if (!exchange->held) fail(*exchange, counter);
  }
  forget(wire);
}

void Replayer::Impl::cut(Connection& connection) {
  auto& wire = static_cast<Wire&>(connection);
  for (Exchange* exchange : std::vector(wire.exchanges)) {
    if (exchange->held) continue;
    Reading& reading = exchange->account->delta;
    ++reading.injected_errors;
    ++reading.errors;
    if (!wire.refused) ++reading.noise.requests;
    if (!wire.refused && exchange->noise.fail) ++reading.noise.failed;
    finish(*exchange);
  }
  give_up(wire, &telemetry::ReplayCounters::reset);
}

// Each connection is exposed to it once a block, with its first response.
bool Replayer::Impl::resets(Connection& connection) {
  auto& wire = static_cast<Wire&>(connection);
  const Ledger::AccountPtr& account = ledger.current();
  if (account->phase.noise.reset.value <= 0 || wire.exposed == account->phase.block) return false;
  wire.exposed = account->phase.block;
  const bool reset = noise::happens(account->phase.noise.reset, random);
  ++account->delta.noise.responding;
  if (reset) ++account->delta.noise.reset;
  return reset;
}

// With all answered: what is held will be delivered all the same.
void Replayer::Impl::closed(Connection& connection) {
  give_up(static_cast<Wire&>(connection), &telemetry::ReplayCounters::reset);
}

void Replayer::Impl::time_out(Exchange& exchange) {
  const WirePtr wire = exchange.wire;
  if (!wire || exchange.held || !wire->cancel(tag_of(exchange))) return abandon(exchange);
  const bool asked_to_close = exchange.due.request->close;
  fail(exchange, &telemetry::ReplayCounters::timed_out);
  keep_or_close(wire, asked_to_close);
}

// The connection goes with its oldest request: what was sent after it would wait for its answer.
void Replayer::Impl::abandon(Exchange& exchange) {
  const WirePtr wire = exchange.wire;
  if (!wire || exchange.held) return fail(exchange, &telemetry::ReplayCounters::timed_out);
  wire->close(true);
  give_up(*wire, &telemetry::ReplayCounters::timed_out);
}

void Replayer::Impl::fail(Exchange& exchange, std::uint64_t telemetry::ReplayCounters::*counter) {
  Reading& reading = exchange.account->delta;
  ++(reading.counters.*counter);
  ++reading.errors;
  // It would have taken at least as long, and to leave it out would flatter a shadow that stalls. What is cut while it
  // is still being said tells nothing.
  const Nanos waited = steady_clock::now() - exchange.due.at;
  if (counter == &telemetry::ReplayCounters::timed_out && waited > exchange.due.request->lasts)
    reading.response_time.record(waited);
  if (counter == &telemetry::ReplayCounters::timed_out || counter == &telemetry::ReplayCounters::reset)
    ++reading.noise.requests;
  finish(exchange);
}

// The end of an exchange, which is gone after it.
void Replayer::Impl::finish(Exchange& exchange) {
  if (exchange.held) holding.erase(*exchange.held);
  if (exchange.wire) std::erase(exchange.wire->exchanges, &exchange);
  const auto self = exchange.self;
  exchange = {};
  ended.splice(ended.begin(), exchanges, self);
}

}  // namespace gnomon::replay
