#pragma once
// What a replayer holds. replayer.cpp has its interface and its times, sending.cpp how a copy gets onto a connection,
// outcome.cpp what becomes of it.

#include <list>
#include <map>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/replay/connection.h"
#include "agent/replay/exchange.h"
#include "agent/replay/ledger.h"
#include "agent/replay/loop.h"
#include "agent/replay/replayer.h"
#include "agent/replay/schedule.h"
#include "agent/replay/tls_client.h"

namespace gnomon::replay {

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
  Connection::Scratch scratch;
  std::unordered_map<std::pair<std::uint64_t, std::uint32_t>, Lane, LaneHash> lanes;
  std::size_t open = 0;                        // connections of all lanes
  std::list<Exchange> exchanges;               // in flight, in the order of their deadlines
  std::list<Exchange> ended;                   // room of earlier ones, for further ones
  std::multimap<MonoTime, Exchange*> holding;  // responses that noise delays, by the time they are to be delivered
  std::optional<MonoTime> armed;               // when the loop calls on_time()
  MonoTime last_tick{};

  void arm();
  void on_time() override;
  void send_due(MonoTime now, int at_most);
  void dispatch(Due&& due, MonoTime now);
  void start(Exchange& exchange);
  WirePtr open_wire(Lane& lane, const protocol::Request& first);
  void put(Exchange& exchange, const WirePtr& wire);
  void end_lane(const Due& due);
  void deliver(Exchange& exchange, MonoTime now);
  void time_out(Exchange& exchange);
  void abandon(Exchange& exchange);
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

inline std::uint64_t tag_of(const Exchange& exchange) {
  return reinterpret_cast<std::uintptr_t>(&exchange);
}

// Of a first copy, unless noise cuts off its response.
inline protocol::ReplayWatch* watch_of(const Exchange& exchange) {
  return exchange.due.copy == 0 && !exchange.noise.fail ? exchange.due.request->watch.get() : nullptr;
}

}  // namespace gnomon::replay
