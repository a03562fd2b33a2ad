#pragma once
// Finding the process that serves a port, in any network namespace, from /proc alone.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"
#include "common/units.h"

namespace gnomon::discovery {

struct ListenSocket {
  pid_t pid = 0;  // a process that holds it, and
  int fd = -1;    // its number there
  std::uint64_t inode = 0;
  std::string address;  // "0.0.0.0", "::", "127.0.0.1", …
  std::uint16_t port = 0;
  bool wildcard = false, loopback = false;
  std::string to_string() const;  // "0.0.0.0:8080", "[::1]:8080"
};

// One production process tree.
struct Instance {
  pid_t pid = 0;                        // the topmost process that holds a listener
  std::uint64_t start_ticks = 0;        // field 22 of /proc/PID/stat: tells a reused pid
  std::string command;                  // short, for people
  std::uint64_t netns = 0;              // inode of its network namespace
  std::vector<ListenSocket> listeners;  // of the asked port; several with SO_REUSEPORT
  MilliCpu cpu;  // what it may use: tightest cgroup quota up its hierarchy, else its CPU affinity
  Bytes memory;  // its cgroup memory limit, else what it uses now, at least 64 MiB
};

// The instance that listens on TCP `port`. Errors say what was found instead and what to do: nothing listens (and
// whether it is a UDP port), several instances in different namespaces (named with their pids; choose with `pid`), a
// pid that does not listen there. `proc` and `cgroup` are the roots, "/proc" and "/sys/fs/cgroup" outside tests.
absl::StatusOr<Instance> find_instance(const std::string& proc, const std::string& cgroup, std::uint16_t port,
                                       std::optional<pid_t> pid);

// All processes of the tree rooted at `root` that are alive now, root first.
std::vector<pid_t> process_tree(const std::string& proc, pid_t root);

// A socket as /proc shows it: a process that holds it, its number there, its inode.
struct SocketHolder {
  pid_t pid = 0;
  int fd = -1;
  std::uint64_t inode = 0;
};

// The established TCP connections that the tree holds on the instance's port.
std::vector<SocketHolder> open_connections(const std::string& proc, const Instance& instance);

// A duplicate of another process's socket (pidfd_getfd, Linux 5.6; needs ptrace rights over it). kNotFound if that
// descriptor is not that socket any more. Close it soon: while it is open, the owner's close() does not end the
// connection, or give up the port.
absl::StatusOr<UniqueFd> borrow_socket(const SocketHolder& holder);

}  // namespace gnomon::discovery
