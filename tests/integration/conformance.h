#pragma once
// A framer and a client against real servers: what a real client says to one is recorded, framed, and said by this
// side's client to a second.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/protocol/protocol.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::protocol {

// What a command prints, errors included; run by `sh -c`.
std::string output_of(const std::string& command);

// A program of Debian's, or "" where it is not installed.
std::string program_path(const std::string& name);

// A server on a loopback port of its own, with a directory of its own; killed at the end.
class Server {
 public:
  using Arguments = std::function<std::vector<std::string>(std::uint16_t port, const shadow::TemporaryDirectory&)>;
  explicit Server(const Arguments& arguments);  // waits until it listens
  std::uint16_t port() const { return port_; }

 private:
  shadow::TemporaryDirectory directory_;
  std::uint16_t port_;
  std::unique_ptr<shadow::Service> service_;
};

// Passes bytes on between its clients and a server, and records what each client sends, per connection, piece by piece.
class RecordingProxy {
 public:
  explicit RecordingProxy(std::uint16_t server_port);
  ~RecordingProxy();
  std::uint16_t port() const;
  std::vector<std::vector<std::string>> connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The requests of each recorded connection; a failure of the test where one is not framed to its end.
std::vector<std::vector<Request>> frame(const RecordingProxy& proxy, const Protocol& protocol);

// One connection to a server, driven by hand.
class Dialogue {
 public:
  Dialogue(std::uint16_t port, const Protocol& protocol, const ClientSettings& settings = {});
  ~Dialogue();
  // Sends them, as many ahead as the protocol's client allows, and awaits the answers, by tag in the order of `units`.
  // Fewer answers than units: the connection ended, or nothing came for 20 seconds.
  std::vector<Answer> exchange(const std::vector<Request>& units);

 private:
  int socket_;
  const std::unique_ptr<Client> client_;
  bool started_ = false;
};

std::size_t errors(const std::vector<Answer>& answers);

}  // namespace gnomon::protocol
