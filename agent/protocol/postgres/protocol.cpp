#include <optional>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/postgres/client.h"
#include "agent/protocol/postgres/framer.h"
#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/postgres/responses.h"

namespace gnomon::protocol {
namespace pg {
namespace {

using Match = Protocol::Match;

constexpr std::size_t kTellingMessage = 64u << 10;

// A startup packet: a length, a code, and in a StartupMessage the first parameter's name.
Match match_startup(std::string_view first) {
  if (first.size() < 4)
    return first.substr(0, 2) == std::string_view("\0\0", first.size() < 2 ? first.size() : 2) ? Match::kMaybe
                                                                                               : Match::kNo;
  const std::uint32_t length = read_u32(first);
  if (length < 8 || length > kLongestStartup) return Match::kNo;
  if (first.size() < 8) return Match::kMaybe;
  const std::uint32_t code = read_u32(first.substr(4));
  if (code == kSslRequest || code == kGssRequest) return length == 8 ? Match::kYes : Match::kNo;
  if (code == kCancelRequest) return length >= 16 ? Match::kYes : Match::kNo;
  if (code >> 16 != kMajorVersion) return Match::kNo;
  if (first.size() < 9) return Match::kMaybe;
  return (first[8] >= 'a' && first[8] <= 'z') || first[8] == '_' ? Match::kYes : Match::kNo;
}

// The middle of a connection: a simple query, or messages of an extended one up to its Sync, each well-formed.
Match match_messages(std::string_view first) {
  constexpr std::string_view kTypes = "QPBDECHS";
  Session session;
  Unit unit;
  while (!first.empty()) {
    if (kTypes.find(first[0]) == std::string_view::npos) return Match::kNo;
    if (first.size() < kMessageHeader) return Match::kMaybe;
    const std::uint32_t length = read_u32(first.substr(1));
    if (length < 4 || length > kTellingMessage) return Match::kNo;
    const auto message = take_message(first);
    if (!message) return Match::kMaybe;
    if (!session.take(*message, unit)) return Match::kNo;
    if (message->type == 'Q' || message->type == 'S') return Match::kYes;
  }
  return Match::kMaybe;
}

class Postgres final : public Protocol {
 public:
  std::string_view name() const override { return "postgres"; }

  Match match(std::string_view first) const override {
    if (first.empty()) return Match::kMaybe;
    return first[0] == '\0' ? match_startup(first) : match_messages(first);
  }

  std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const override {
    return std::make_unique<PostgresFramer>(conn_id, joined, limits);
  }

  std::unique_ptr<Client> client(const ClientSettings& settings) const override {
    return std::make_unique<PostgresClient>(settings);
  }

  std::unique_ptr<ResponseReader> responses(std::size_t kept_body_bytes) const override {
    return std::make_unique<Responses>(kept_body_bytes);
  }

  // An SSLRequest comes first. Servers that take TLS take plaintext as well, unless pg_hba.conf says otherwise.
  std::optional<std::string_view> alpn() const override { return std::nullopt; }

  // "user": the one that the session was started for.
  std::optional<std::uint64_t> key(const Request& request, std::string_view selector) const override {
    if (selector != "user" || !request.prelude || request.prelude->size() < 8) return std::nullopt;
    std::string_view parameters = std::string_view(*request.prelude).substr(8);
    for (;;) {
      const auto name = take_text(parameters);
      const auto value = take_text(parameters);
      if (!name || !value || name->empty()) return std::nullopt;
      if (*name == "user") return stable_hash(*value);
    }
  }
};

}  // namespace
}  // namespace pg

const Protocol& postgres() {
  static const pg::Postgres protocol;
  return protocol;
}

}  // namespace gnomon::protocol
