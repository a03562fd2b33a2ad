#pragma once
// Owner of the kernel's side of a shadow's egress: programs at its cgroup and at the agent's end of its link
// (bpf/programs/egress.bpf.c). They are attached without links of their own, so that they stay when the agent dies:
// those of the cgroup as long as that exists, the one of the link as long as its namespace does.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/abi/egress.h"
#include "document/egress.h"

namespace gnomon::egress {

using document::EgressRule;
using document::IpAddress;
using document::SocketAddress;

// Where the forwarder of a shadow listens, at the agent's end of its link.
struct Ports {
  // For each rule; 0: such connections, or datagrams, are refused.
  std::vector<std::uint16_t> tcp, udp;
};

// A shadow's link.
struct Link {
  IpAddress agent_v4, agent_v6;
  std::vector<IpAddress> own;  // the shadow's addresses
  std::string device;          // its end in the agent's hands
};

struct Attempt {
  std::string destination;  // "10.0.3.7:5432"; "*" where there is no address
  std::string transport;    // "tcp", "udp", "icmp", "raw"; "" for several
  std::string action;       // "denied", "allowed", "redirected"
  std::uint64_t attempts = 0;
  friend bool operator==(const Attempt&, const Attempt&) = default;
};

// What a connection was meant for, and under which rule.
struct Flow {
  SocketAddress destination;
  std::size_t rule = 0;
};

class Guard {
 public:
  // Loads the programs for these rules; nothing is attached.
  static absl::StatusOr<std::unique_ptr<Guard>> load(const Link& link, const std::vector<EgressRule>& rules,
                                                     const Ports& ports);
  virtual ~Guard() = default;

  // From here on nothing leaves the link but answers to the replayer and what is meant for the forwarder. Call it in
  // the network namespace of that end.
  virtual absl::Status attach_to_link() = 0;
  // `directory` is a v2 cgroup: from here on sockets made in there are judged where they connect or send.
  virtual absl::Status attach_to_cgroup(const std::string& directory) = 0;

  // What the connection that comes from there was meant for; it is told once. Thread-safe.
  virtual std::optional<Flow> take_flow(const SocketAddress& source) = 0;

  // The destinations asked for, most often first; beyond `most` they are summed up by action. Of what is refused at the
  // link alone each packet counts. Thread-safe.
  virtual std::vector<Attempt> attempts(std::size_t most) const = 0;
};

}  // namespace gnomon::egress
