#pragma once
// The coordinator: store, sessions, ingest and the two gRPC services.

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace grpc {
class Channel;
}

namespace gnomon::coordinator {

struct Config {
  std::string database = "/var/lib/gnomon/coordinator.db";  // ":memory:" keeps nothing
  std::string listen;   // "127.0.0.1:7400", "unix:/run/gnomon.sock"; empty: in-process only
  std::string metrics;  // where Prometheus finds it: "127.0.0.1:7401"; empty or "off": nowhere
};

class App {
 public:
  static absl::StatusOr<std::unique_ptr<App>> create(Config config);
  virtual ~App() = default;  // ends all calls and closes the database
  // A channel to this coordinator without a socket, speaking the same API.
  virtual std::shared_ptr<grpc::Channel> in_process_channel() = 0;
  virtual int metrics_port() const = 0;     // 0: none
  virtual std::string address() const = 0;  // where it listens, with the port that was chosen; empty if nowhere
};

}  // namespace gnomon::coordinator
