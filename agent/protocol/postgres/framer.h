#pragma once
// The client's half of a connection, as units of replay.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/protocol/framer.h"
#include "agent/protocol/postgres/session.h"

namespace gnomon::protocol::pg {

// A unit's bytes are the client's, but for three repairs, each of which keeps its meaning on any connection and the
// number of its answers the same whether its statements succeed: the unnamed statement that an earlier unit parsed is
// parsed again first; a Sync that the service ignores, being in the middle of a COPY, is left out; and a COPY whose
// data the client did not end, because it had failed, ends with a CopyFail. Passwords and other authentication data are
// neither kept nor copied.
class PostgresFramer final : public RequestFramer {
 public:
  PostgresFramer(std::uint64_t conn_id, bool joined, const Limits& limits);

  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override;
  State state() const override { return state_; }
  bool mid_message() const override { return !given_up(state_) && !unit_bytes_.empty(); }
  std::size_t held_bytes() const override;

 private:
  enum class Stage { kStartup, kAuthentication, kMessages, kEnded };
  void startup(std::string_view& rest);
  bool startup_packet(std::string_view packet);
  void authentication(std::string_view& rest);
  void messages(std::string_view& rest, MonoTime at, std::vector<Request>& out);
  void take(const Message& message);
  bool in_order(const Message& message) const;
  void copy_message(char type);
  void boundary();
  void abandon_copy();
  void emit(std::string_view bytes, std::vector<Request>& out);
  void begin_unit();
  void give_up(State why);

  const std::uint64_t conn_id_;
  const Limits limits_;
  State state_;
  Stage stage_ = Stage::kStartup;
  bool encryption_asked_ = false;
  std::string packet_;    // a startup packet, or a header, that came in pieces
  std::size_t skip_ = 0;  // of authentication data still to come

  std::string startup_;
  Session session_;
  std::shared_ptr<const std::string> prelude_;

  MonoTime since_{};
  std::string unit_bytes_;   // what earlier feeds brought of the unit under way
  std::size_t scanned_ = 0;  // … and of this one, taken into account
  Unit unit_;
  std::uint32_t replies_ = 0;
  bool first_ = true;      // no unit was emitted: the service's first word is not of one
  bool in_batch_ = false;  // between an extended query's first message and its Sync
  bool complete_ = false;  // the unit ends at scanned_
  std::uint32_t open_copies_ = 0;
  bool copy_by_execute_ = false;
  bool sync_pending_ = false;  // a Sync has come where COPY data may follow: then the service ignores it
  std::string prefix_, suffix_;
  std::vector<std::size_t> ignored_syncs_;  // where they end
};

}  // namespace gnomon::protocol::pg
