#pragma once
// TCP sockets of a network namespace, and who holds them.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/discovery/instance.h"
#include "agent/discovery/procfs.h"

namespace gnomon::discovery {

enum class TcpState { kEstablished = 0x01, kListen = 0x0A };  // the kernel's numbers

// The sockets of the network namespace of `pid` that are in `state`; pid and fd of each are not filled in.
// Nothing if the tables cannot be read (the process has gone).
std::optional<std::vector<ListenSocket>> tcp_sockets(const std::string& proc, pid_t pid, TcpState state);

// Whether a UDP socket is bound to the port in the network namespace of `pid`.
bool udp_bound(const std::string& proc, pid_t pid, std::uint16_t port);

struct Holder {
  pid_t pid = 0;
  int fd = -1;
};

// For each of these socket inodes, the processes among `pids` that hold it (the first descriptor of each), by pid.
std::map<std::uint64_t, std::vector<Holder>> socket_holders(const std::string& proc, const std::vector<pid_t>& pids,
                                                            const std::set<std::uint64_t>& inodes);

// The listeners on `port` that the tree rooted at `root` holds in its own network namespace, with pid and fd.
std::vector<ListenSocket> listeners_of_tree(const std::string& proc, pid_t root, std::uint16_t port);

}  // namespace gnomon::discovery
