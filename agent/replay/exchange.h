#pragma once
// What the replayer keeps of copies under way: exchanges on connections, connections in lanes.

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/noise/noise.h"
#include "agent/replay/connection.h"
#include "agent/replay/ledger.h"
#include "agent/replay/schedule.h"

namespace gnomon::replay {

struct Wire;
using WirePtr = std::shared_ptr<Wire>;

// The connections of one captured connection and copy number. Gone when it has none.
struct Lane {
  std::pair<std::uint64_t, std::uint32_t> key;
  std::vector<WirePtr> ready;  // that can take another request
  std::size_t open = 0;        // ready or not
  bool ended = false;          // the client closed: so does each connection after its last response
};

struct LaneHash {
  std::size_t operator()(const std::pair<std::uint64_t, std::uint32_t>& key) const {
    return (key.first * 0x9e3779b97f4a7c15u) ^ key.second;
  }
};

// A copy that is sent and not yet delivered.
struct Exchange {
  Due due;
  MonoTime deadline{};
  Ledger::AccountPtr account;
  noise::Draw noise;
  bool retried = false;
  WirePtr wire;             // null: its connection closed while the response was held
  protocol::Answer answer;  // while that is held
  MonoTime answered{};      // when it came
  std::optional<std::multimap<MonoTime, Exchange*>::iterator> held;
  std::list<Exchange>::iterator self;
};

struct Wire final : Connection {
  Wire(Loop& loop, Owner& owner, std::unique_ptr<protocol::Client> client, Scratch& scratch, Lane& its_lane)
      : Connection(loop, owner, std::move(client), scratch), lane(its_lane) {}
  // Whether it can take another: one whose response is held has not been answered, as its client sees it.
  bool has_room() const { return takes_another() && exchanges.size() < concurrency(); }
  Lane& lane;
  std::vector<Exchange*> exchanges;  // sent on it and not delivered
  bool refused = false;              // by the noise: it is never opened
  std::optional<int> exposed;        // the last block in which the noise had its chance to reset it
};

}  // namespace gnomon::replay
