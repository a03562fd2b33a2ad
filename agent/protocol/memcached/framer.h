#pragma once
// From one client's bytes to commands and runs of quiet ones.

#include <optional>
#include <string>

#include "agent/protocol/memcached/command.h"
#include "agent/protocol/unit_framer.h"

namespace gnomon::protocol::mc {

// A joined stream is taken up with the first whole command that begins just after the service has sent.
class Framer final : public UnitFramer {
 public:
  Framer(std::uint64_t conn_id, bool joined, const Limits& limits);
  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override;
  bool has_no_memory() const override { return true; }

 private:
  // Where the unit under way stands: [run: whole quiet commands of one name][line, data of the command under way].
  struct Unit {
    std::size_t run_bytes = 0, run_commands = 0;
    std::string_view run_name;
    bool run_writes = false;
    MonoTime arrival{};  // of its first byte
  };
  bool next(std::string_view text);
  bool parse(std::string_view text, std::size_t newline);
  std::size_t take(std::string_view text, std::vector<Request>& out);
  void extend_run();
  void emit_run(std::string_view bytes, Answered answered, std::vector<Request>& out);
  void emit(std::string_view bytes, const Request& kind, std::vector<Request>& out);
  void forget() override;

  const std::uint64_t conn_id_;
  const Limits limits_;
  Unit unit_;
  std::optional<Command> command_;  // the one under way, once its line is whole; its key is not kept
  std::size_t end_ = 0;             // of that, in the unit
  std::size_t scanned_ = 0;         // how far its line end was looked for
  MonoTime begun_{};                // when its first byte came
};

}  // namespace gnomon::protocol::mc
