#pragma once
// The agent: probe, runtime, link and sessions, reconciled towards the coordinator's desired state.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/link/link.h"
#include "agent/session/credentials.h"
#include "agent/shadow/shadow.h"

namespace gnomon::agent {

struct Config {
  std::string node;  // default: the host's name
  std::string state_root = shadow::kStateRoot;
  shadow::Budget budget;  // zero: half of the CPUs (at least half of one), a quarter of the memory
  Bytes tap_ring{16u << 20};
  std::string credentials = session::kCredentials;  // directory with a service's password in a file of its name
  std::string metrics;  // where Prometheus finds it: "127.0.0.1:7402"; empty or "off": nowhere
};

// What must be true before anything is started: root (or the capabilities), BTF, runc. Each failure is one line with
// its remedy.
absl::Status preflight();

class App {
 public:
  // Call before any other thread is started: it moves the process into a private mount namespace.
  static absl::StatusOr<std::unique_ptr<App>> create(Config config);
  virtual ~App() = default;  // ends all sessions, removes everything
  // Connects to a coordinator and reconciles from then on.
  virtual void connect(std::shared_ptr<grpc::ChannelInterface> channel) = 0;
};

}  // namespace gnomon::agent
