#pragma once
// From one client's bytes to commands and transactions.

#include <string>

#include "agent/protocol/redis/command.h"
#include "agent/protocol/redis/session.h"
#include "agent/protocol/unit_framer.h"

namespace gnomon::protocol::resp {

// A joined stream is taken up with the first whole command of a known name that begins just after the service has sent.
// Its database and credentials are then the service's defaults until it says others.
class Framer final : public UnitFramer {
 public:
  Framer(std::uint64_t conn_id, bool joined, const Limits& limits);
  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override;
  std::size_t held_bytes() const override { return UnitFramer::held_bytes() + session_.size(); }

 private:
  // What is open until a later command ends it.
  enum class Open : std::uint8_t { kNothing, kAsking, kWatch, kTransaction };
  bool take(std::string_view unit, std::vector<Request>& out);
  void open_unit();
  void add(Effect effect, const Named& named, std::string_view command);
  bool goes_on(Effect effect);
  bool blocks(std::string_view command) const;
  bool with_credentials(std::string_view command) const;
  void emit(std::string_view unit, std::vector<Request>& out);
  void forget() override;

  const std::uint64_t conn_id_;
  const Limits limits_;
  Open open_ = Open::kNothing;
  CommandParser parser_;
  std::size_t commands_ = 0;  // bytes of the unit's whole commands
  MonoTime arrival_{};        // of its first byte
  Session session_;
  std::uint32_t before_ = 0;  // replies to what was said of the session, since the last request
  Request request_;
};

}  // namespace gnomon::protocol::resp
