#include <algorithm>
#include <cctype>
#include <limits>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/redis/client.h"
#include "agent/protocol/redis/framer.h"
#include "agent/protocol/redis/redis.h"

namespace gnomon::protocol {
namespace {

using resp::CommandParser;

// The argument after STREAMS; one that does not come among those that are remembered is passed over.
std::string_view after_streams(const CommandParser& parser, std::string_view command) {
  for (std::size_t i = 1; i + 1 < CommandParser::kKept; ++i) {
    const std::string_view word = parser.argument(command, i);
    if (word == "STREAMS" || word == "streams") return parser.argument(command, i + 1);
  }
  return {};
}

class Redis final : public Protocol {
 public:
  std::string_view name() const override { return "redis"; }

  // An array of bulk strings; or a line that is a known command, of which not all is a line of memcached's, HTTP's, ….
  Match match(std::string_view first) const override {
    if (first.empty()) return Match::kMaybe;
    const bool array = first.front() == '*';
    if (!array && std::isalpha(static_cast<unsigned char>(first.front())) == 0) return Match::kNo;
    CommandParser parser(std::numeric_limits<std::size_t>::max() / 2);
    const auto progress = parser.advance(first);
    if (progress == CommandParser::Progress::kMalformed) return Match::kNo;
    if (array && parser.arguments() > 0) return Match::kYes;
    if (progress == CommandParser::Progress::kMore) {
      const auto bulk = first.find("\r\n$");  // a count, a length and the first byte of a name
      return array && bulk != std::string_view::npos && first.find("\r\n", bulk + 2) + 2 < first.size() ? Match::kYes
                                                                                                        : Match::kMaybe;
    }
    resp::Named named;
    resp::name_command(parser, first, named);
    return named.command != nullptr ? Match::kYes : Match::kNo;
  }

  std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const override {
    return std::make_unique<resp::Framer>(conn_id, joined, limits);
  }
  std::unique_ptr<Client> client(const ClientSettings& settings) const override {
    return std::make_unique<resp::RedisClient>(settings);
  }
  std::unique_ptr<ResponseReader> responses(std::size_t kept_body_bytes) const override {
    return std::make_unique<resp::Responses>(kept_body_bytes);
  }

  // Of a transaction: the first of its commands that has a key.
  std::optional<std::uint64_t> key(const Request& request, std::string_view selector) const override {
    if (selector != "key") return std::nullopt;
    std::string_view rest = *request.bytes;
    CommandParser parser(std::numeric_limits<std::size_t>::max() / 2);
    while (true) {
      const std::string_view command = resp::take_command(rest, parser);
      if (command.empty()) return std::nullopt;
      resp::Named named;
      resp::name_command(parser, command, named);
      if (named.command == nullptr || named.command->key == 0) continue;
      const auto at = static_cast<std::size_t>(std::max<int>(named.command->key, 0));
      const std::string_view key =
          named.command->key == resp::kAfterStreams ? after_streams(parser, command) : parser.argument(command, at);
      if (!key.empty()) return stable_hash(key);
    }
  }
};

}  // namespace

const Protocol& redis() {
  static const Redis protocol;
  return protocol;
}

}  // namespace gnomon::protocol
