#include "agent/replay/replayer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "agent/protocol/protocol.h"
#include "agent/replay/connection.h"
#include "agent/replay/exchange.h"
#include "agent/replay/ledger.h"
#include "agent/replay/loop.h"
#include "agent/replay/schedule.h"
#include "agent/replay/tls_client.h"

namespace gnomon::replay {

using std::chrono::steady_clock;

namespace {

// What comes due within this is sent together: at high rates one wake-up serves many copies.
constexpr Nanos kTick = std::chrono::microseconds(200);
// Copies sent in one go before answers get their turn: reading them late would look like a slow shadow.
constexpr int kBurst = 64;
constexpr std::size_t kScratchBytes = 64u << 10;

std::uint64_t tag_of(const Exchange& exchange) {
  return reinterpret_cast<std::uintptr_t>(&exchange);
}

// Of a first copy, unless noise cuts off its response.
protocol::ReplayWatch* watch_of(const Exchange& exchange) {
  return exchange.due.copy == 0 && !exchange.noise.fail ? exchange.due.request->watch.get() : nullptr;
}

}  // namespace

struct Replayer::Impl final : Loop::Handler, Connection::Owner {
  Impl(Loop& the_loop, const Target& target, const Limits& the_limits, std::uint64_t seed)
      : loop(the_loop),
        shadow(numeric_address(target.address, target.port)),
        client_settings(target.client),
        tls(target.tls ? std::optional<TlsDialer>(std::in_place) : std::nullopt),
        limits(the_limits),
        random(~seed),
        schedule({.lag = limits.lag, .copy_spread = limits.copy_spread, .max_bytes = limits.scheduled_bytes}, seed) {}

  Loop& loop;
  const std::optional<Address> shadow;
  const protocol::ClientSettings client_settings;
  const std::optional<TlsDialer> tls;
  const Limits limits;
  std::mt19937_64 random;
  Schedule schedule;
  Ledger ledger;
  std::vector<std::byte> scratch = std::vector<std::byte>(kScratchBytes);
  std::unordered_map<std::pair<std::uint64_t, std::uint32_t>, Lane, LaneHash> lanes;
  std::size_t open = 0;                        // connections of all lanes
  std::list<Exchange> exchanges;               // in flight, in the order of their deadlines
  std::multimap<MonoTime, Exchange*> holding;  // responses that noise delays, by the time they are to be delivered
  std::optional<MonoTime> armed;               // when the loop calls on_time()
  MonoTime last_tick{};

  void arm();
  void on_time() override;
  void send_due(MonoTime now, int at_most);
  void dispatch(Due due, MonoTime now);
  void start(Exchange& exchange);
  WirePtr open_wire(Lane& lane, const protocol::Request& first);
  void put(Exchange& exchange, const WirePtr& wire);
  void end_lane(const Due& due);
  void deliver(Exchange& exchange, MonoTime now);
  void time_out(Exchange& exchange);
  void fail(Exchange& exchange, std::uint64_t telemetry::ReplayCounters::*counter);
  void finish(Exchange& exchange);
  void give_up(Wire& wire, std::uint64_t telemetry::ReplayCounters::*counter);
  void keep_or_close(const WirePtr& wire, bool asked_to_close);
  void forget(Wire& wire);
  void close_all();

  void answered(Connection& connection, const protocol::Answer& answer) override;
  void failed(Connection& connection, Connection::Failure failure) override;
  void cut(Connection& connection) override;
  bool resets(Connection& connection) override;
  void closed(Connection& connection) override;
};

// ---- time

// Has the loop call at the earliest thing to do, unless it calls before that anyway.
void Replayer::Impl::arm() {
  std::optional<MonoTime> first = schedule.next();
  const auto also = [&first](MonoTime at) { first = first ? std::min(*first, at) : at; };
  if (!holding.empty()) also(holding.begin()->first);
  if (!exchanges.empty()) also(exchanges.front().deadline);
  if (!first) return;
  // What is overdue goes out at once; for the rest wake-ups are at least a tick apart.
  if (*first > steady_clock::now()) first = std::max(*first, last_tick + kTick);
  if (armed && *armed <= *first) return;
  armed = first;
  loop.wake(*this, *first);
}

void Replayer::Impl::on_time() {
  armed.reset();
  const MonoTime now = last_tick = steady_clock::now();
  while (!holding.empty() && holding.begin()->first <= now) deliver(*holding.begin()->second, now);
  while (!exchanges.empty() && exchanges.front().deadline <= now) time_out(exchanges.front());
  send_due(now, kBurst);
  arm();
}

void Replayer::Impl::send_due(MonoTime now, int at_most) {
  for (int i = 0; i < at_most; ++i) {
    auto due = schedule.pop(now);
    if (!due) return;
    if (due->request) {
      dispatch(*std::move(due), steady_clock::now());
    } else {
      end_lane(*due);
    }
  }
}

// ---- sending

void Replayer::Impl::dispatch(Due due, MonoTime now) {
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
  Exchange& exchange = *exchanges.emplace(later);
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
    return !exchange.noise.fail || wire->exchanges.empty();
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

// ---- what became of it

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
  // The shadow closed an idle connection just as these went out on it: clients send them again, and so does the replay.
  Lane& lane = wire.lane;
  WirePtr fresh;
  for (Exchange* exchange : std::vector(wire.exchanges)) {
    if (std::exchange(exchange->retried, true)) continue;
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

// The connection goes with its oldest request: what was sent after it would wait for its answer.
void Replayer::Impl::time_out(Exchange& exchange) {
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
  exchanges.erase(exchange.self);
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

void Replayer::Impl::close_all() {
  loop.forget(*this);
  for (Exchange& exchange : exchanges)
    if (exchange.wire) exchange.wire->close(true);
  for (auto& [key, lane] : lanes)
    for (const WirePtr& wire : lane.ready) wire->close(false);
}

// ---- the interface

Replayer::Replayer(Loop& loop, Target target, Limits limits, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(loop, target, limits, seed)) {}

Replayer::~Replayer() {
  impl_->close_all();
}

void Replayer::set_phase(const Phase& phase) {
  impl_->send_due(steady_clock::now(), std::numeric_limits<int>::max());  // what is due by now belongs to the old phase
  impl_->ledger.set_phase(phase);
  impl_->arm();
}

void Replayer::offer(protocol::Request request) {
  const Ledger::AccountPtr& account = impl_->ledger.current();
  const auto added = impl_->schedule.add(request, account->phase.multiplicity, steady_clock::now());
  Reading& reading = account->delta;
  ++reading.counters.offered;
  reading.counters.copies += added.copies;
  reading.counters.shed += added.shed;
  reading.replayed += added.shed;
  reading.errors += added.shed;
  impl_->arm();
}

void Replayer::turn_away(std::uint64_t requests) {
  const Ledger::AccountPtr& account = impl_->ledger.current();
  const double wanted = account->phase.multiplicity * static_cast<double>(requests);
  const auto copies = static_cast<std::uint64_t>(std::llround(std::max(wanted, 0.0)));
  Reading& reading = account->delta;
  reading.counters.offered += requests;
  reading.counters.copies += copies;
  reading.counters.shed += copies;
  reading.replayed += copies;
  reading.errors += copies;
}

void Replayer::end_connection(std::uint64_t conn_id) {
  impl_->schedule.end(conn_id, steady_clock::now());
  impl_->arm();
}

void Replayer::flush() {
  impl_->ledger.current()->delta.counters.cancelled += impl_->schedule.clear();
  while (!impl_->exchanges.empty()) impl_->time_out(impl_->exchanges.front());
}

std::size_t Replayer::in_flight() const {
  return impl_->exchanges.size();
}

std::size_t Replayer::scheduled() const {
  return impl_->schedule.copies();
}

std::vector<Reading> Replayer::take() {
  return impl_->ledger.take();
}

}  // namespace gnomon::replay
