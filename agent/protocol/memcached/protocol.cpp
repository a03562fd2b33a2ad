#include "agent/protocol/endpoint.h"
#include "agent/protocol/memcached/client.h"
#include "agent/protocol/memcached/command.h"
#include "agent/protocol/memcached/framer.h"
#include "agent/protocol/memcached/memcached.h"
#include "agent/protocol/memcached/responses.h"

namespace gnomon::protocol {
namespace {

std::optional<mc::Command> first_command(std::string_view bytes) {
  std::string_view line = bytes.substr(0, bytes.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return mc::parse_command(line);
}

class Memcached final : public Protocol {
 public:
  std::string_view name() const override { return "memcached"; }

  // A whole line that is a command, whose names are of small letters.
  Match match(std::string_view first) const override {
    if (!first.empty() && (first.front() < 'a' || first.front() > 'z')) return Match::kNo;
    if (first.find('\n') == std::string_view::npos) return Match::kMaybe;
    return first_command(first) ? Match::kYes : Match::kNo;
  }
  std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const override {
    return std::make_unique<mc::Framer>(conn_id, joined, limits);
  }
  std::unique_ptr<Client> client(const ClientSettings& settings) const override {
    return std::make_unique<mc::MemcachedClient>(settings);
  }
  std::unique_ptr<ResponseReader> responses(std::size_t kept_body_bytes) const override {
    return std::make_unique<mc::Responses>(kept_body_bytes);
  }
  // Of several keys: the first.
  std::optional<std::uint64_t> key(const Request& request, std::string_view selector) const override {
    if (selector != "key") return std::nullopt;
    const auto command = first_command(*request.bytes);
    if (!command || command->key.empty()) return std::nullopt;
    return stable_hash(command->key);
  }
};

}  // namespace

const Protocol& memcached() {
  static const Memcached protocol;
  return protocol;
}

}  // namespace gnomon::protocol
