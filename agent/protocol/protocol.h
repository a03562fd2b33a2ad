#pragma once
// What the agent knows about a protocol: how it begins, how its requests are framed, how a shadow is spoken to. Pure.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/protocol/client.h"
#include "agent/protocol/framer.h"
#include "agent/protocol/response.h"

namespace gnomon::protocol {

// One object for each protocol, immutable, for the program's whole life.
class Protocol {
 public:
  enum class Match { kNo, kMaybe, kYes };
  virtual ~Protocol() = default;
  virtual std::string_view name() const = 0;
  // Whether a client that begins with `first` speaks it; kMaybe: more bytes are needed to tell.
  virtual Match match(std::string_view first) const = 0;
  // `joined`: the stream starts in the middle of a connection.
  virtual std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const = 0;
  virtual std::unique_ptr<Client> client(const ClientSettings& settings) const = 0;
  // A stable hash of what `selector` names in the request ("header:x-user", "key"), by which single requests are
  // sampled; nullopt: the request has none.
  virtual std::optional<std::uint64_t> key(const Request& request, std::string_view selector) const;
  // The name by which clients ask for it in TLS (ALPN), "" if they do not; nullopt: TLS does not begin with a
  // connection's first byte.
  virtual std::optional<std::string_view> alpn() const { return ""; }
  // Reads what a service answers on one connection, of each body so many bytes. Null: it does not answer one after the
  // other, see below.
  virtual std::unique_ptr<ResponseReader> responses(std::size_t kept_body_bytes) const;
  // The same of one that answers several at once. Null as well: its responses cannot be told apart.
  virtual std::unique_ptr<StreamReader> stream_responses(std::size_t kept_body_bytes) const;
  // The server that the request names, as "host" or "host:port"; "" if it names none.
  virtual std::string authority(const Request& request) const;
};

inline std::optional<std::uint64_t> Protocol::key(const Request&, std::string_view) const {
  return std::nullopt;
}

inline std::unique_ptr<ResponseReader> Protocol::responses(std::size_t) const {
  return nullptr;
}

inline std::unique_ptr<StreamReader> Protocol::stream_responses(std::size_t) const {
  return nullptr;
}

inline std::string Protocol::authority(const Request&) const {
  return {};
}

// All protocols, in the order in which they are asked for a match.
std::span<const Protocol* const> protocols();

// By its name; null: there is none of that name.
const Protocol* find_protocol(std::string_view name);

// A framer that finds out by the first bytes which protocol the connection speaks. With none it is kUnparsable.
std::unique_ptr<RequestFramer> detecting_framer(std::uint64_t conn_id, bool joined, const Limits& limits);

}  // namespace gnomon::protocol
