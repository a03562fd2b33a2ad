#pragma once
// Says what a captured client said, piece by piece.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/protocol/client.h"
#include "agent/protocol/raw/unit.h"

namespace gnomon::protocol {

// A piece is due at its recorded time; one that followed something the service had sent waits, for a second at most,
// until the shadow has sent something as well. What waited shifts what comes after it. The end is the answer; a service
// that closes before has failed.
class RawClient final : public Client {
 public:
  std::size_t concurrency() const override { return 1; }
  bool reusable() const override { return bytes_ == nullptr; }
  void send(const Request& request, std::uint64_t tag, std::string& out) override;
  bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) override;
  bool keeps_times() const override { return true; }
  std::optional<MonoTime> advance(MonoTime now, std::vector<Answer>& answers, std::string& out) override;
  void finish(std::vector<Answer>& answers) override;

 private:
  std::shared_ptr<const std::string> bytes_;
  std::string_view rest_;         // of the unit, after next_
  std::optional<RawPiece> next_;  // none: all is said
  std::optional<MonoTime> begun_;
  Nanos waited_{0};     // for the shadow, altogether
  bool heard_ = false;  // since the piece before
  Answer answer_;
};

}  // namespace gnomon::protocol
