#pragma once
// The shadow's network: two namespaces of our own and one link between them. The host's are never touched.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/discovery/instance.h"
#include "common/unique_fd.h"

namespace gnomon::shadow {

// The link's ends in the two.
inline constexpr char kReplayLink[] = "replay0", kShadowLink[] = "shadow0";
// The replayer's addresses.
inline constexpr char kReplayV4[] = "169.254.77.1", kReplayV6[] = "fd6e:676e:6f6d::1";

struct Network {
  UniqueFd shadow;                         // what the service runs in: lo and one link, no default route
  UniqueFd replay;                         // the other end of the link
  bool inside = false;                     // it listens on loopback only: the replayer has to be inside
  std::vector<std::string> own_addresses;  // of the shadow, loopback aside
  std::string address;                     // where the service is reached from replay_netns()
  int replay_netns() const { return inside ? shadow.get() : replay.get(); }
};

// Makes both, with the addresses that the instance listens on and its namespace's settings of TCP. The namespaces go
// when the last descriptor and process of them do.
absl::StatusOr<Network> make_network(const discovery::Instance& instance);

}  // namespace gnomon::shadow
