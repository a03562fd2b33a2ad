#pragma once
// A real PostgreSQL server on loopback, in a directory of its own, and ways to speak to it.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/protocol/protocol.h"
#include "tests/integration/conformance.h"

namespace gnomon::protocol::pg {

// Why there can be none here; empty if there can.
std::string missing_for_postgres();

// Run as the unprivileged user "postgres"; stopped by its process id, and its files removed, at the end.
class PostgresServer {
 public:
  // `authentication`: "trust", "password", "md5" or "scram-sha-256"; the user is "anna", the password kPassword.
  explicit PostgresServer(const std::string& authentication);
  ~PostgresServer();
  std::uint16_t port() const { return port_; }
  // What psql prints of a query, as the server's superuser over its unix socket.
  std::string ask(const std::string& sql) const;

  static constexpr const char* kPassword = "it's a secret";

 private:
  shadow::TemporaryDirectory directory_;
  std::uint16_t port_;
  std::unique_ptr<shadow::Service> service_;
};

// Runs a program through `sh -c` with PGPORT set and PGHOST, PGUSER and PGPASSWORD for anna; its output.
std::string run_client(const std::string& command, std::uint16_t port);

}  // namespace gnomon::protocol::pg
