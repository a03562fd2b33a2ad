#include "agent/discovery/instance.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <sstream>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "agent/discovery/sockets.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::discovery {
namespace {

constexpr Bytes kLeastMemory{64u << 20};
constexpr std::size_t kPortsNamed = 12;  // in the message that says what listens instead

// An agent that watches a service holds duplicates of its sockets; they make it no instance.
bool is_agent(const ProcessTable& processes, pid_t pid) {
  if (pid == ::getpid()) return true;
  const auto process = processes.find(pid);
  return process != processes.end() && (process->second.name == "gnomon" || process->second.name == "gnomon-agent");
}

// It keeps the listeners that it hands to a service. Also one of a user, or of a container, which is not process 1
// here.
bool is_service_manager(const ProcessTable& processes, pid_t pid) {
  const auto process = processes.find(pid);
  return pid == 1 || (process != processes.end() && process->second.name == "systemd");
}

// One of several processes whose trees hold listeners of the port.
struct Candidate {
  pid_t top = 0;
  std::uint64_t netns = 0;
  std::map<std::uint64_t, Holder> sockets;  // inode → where to borrow it
  std::set<pid_t> holders;
};

struct Listener {
  ListenSocket socket;
  std::uint64_t netns = 0;
};

struct Survey {
  std::map<std::uint64_t, Listener> listeners;  // of the port, by inode
  std::set<std::uint16_t> other_ports;
  bool udp = false;
};

// Looks into every network namespace that a process is in.
Survey survey(const std::string& proc, const ProcessTable& processes, std::uint16_t port) {
  Survey result;
  std::map<std::uint64_t, std::vector<pid_t>> spaces;
  for (const auto& [pid, process] : processes)
    if (const std::uint64_t netns = namespace_of(proc, pid, "net")) spaces[netns].push_back(pid);
  for (const auto& [netns, pids] : spaces) {
    for (pid_t pid : pids) {  // the first one that is still there
      auto sockets = tcp_sockets(proc, pid, TcpState::kListen);
      if (!sockets) continue;
      for (ListenSocket& socket : *sockets) {
        if (socket.port != port)
          result.other_ports.insert(socket.port);
        else
          result.listeners.emplace(socket.inode, Listener{socket, netns});
      }
      result.udp = result.udp || udp_bound(proc, pid, port);
      break;
    }
  }
  return result;
}

absl::Status nothing_listens(const Survey& found, std::uint16_t port) {
  if (found.udp) {
    return absl::NotFoundError(fmt::format(
        "port {} is a UDP port here, nothing listens on it over TCP: only services over TCP can be shadowed", port));
  }
  std::string ports;
  for (std::uint16_t other : found.other_ports) {
    if (std::count(ports.begin(), ports.end(), ' ') >= static_cast<std::ptrdiff_t>(kPortsNamed)) {
      ports += ", …";
      break;
    }
    ports += (ports.empty() ? "" : ", ") + std::to_string(other);
  }
  return absl::NotFoundError(fmt::format("nothing listens on TCP port {} in any network namespace; {}", port,
                                         ports.empty()
                                             ? "no other TCP port is listened on either: start the service first"
                                             : fmt::format("TCP ports that are listened on: {}", ports)));
}

// The highest ancestor of `pid` (itself included) among `holders`.
pid_t topmost(const ProcessTable& processes, const std::set<pid_t>& holders, pid_t pid) {
  pid_t top = pid;
  std::set<pid_t> seen;
  for (pid_t at = pid; at > 0 && seen.insert(at).second;) {
    if (holders.contains(at)) top = at;
    const auto found = processes.find(at);
    if (found == processes.end()) break;
    at = found->second.parent;
  }
  return top;
}

std::vector<Candidate> candidates_of(const std::string& proc, const ProcessTable& processes, const Survey& found) {
  std::vector<pid_t> pids;
  for (const auto& [pid, process] : processes) pids.push_back(pid);
  std::set<std::uint64_t> inodes;
  for (const auto& [inode, listener] : found.listeners) inodes.insert(inode);
  auto holders_of = socket_holders(proc, pids, inodes);

  std::set<pid_t> holders;
  for (auto& [inode, list] : holders_of) {
    std::erase_if(list, [&](const Holder& holder) {
      return in_shadow_cgroup(proc, holder.pid) || is_agent(processes, holder.pid);
    });
    const auto is_manager = [&](const Holder& holder) { return is_service_manager(processes, holder.pid); };
    if (!std::ranges::all_of(list, is_manager)) std::erase_if(list, is_manager);
    for (const Holder& holder : list) holders.insert(holder.pid);
  }
  std::map<pid_t, Candidate> by_top;
  for (const auto& [inode, list] : holders_of) {
    for (const Holder& holder : list) {
      const pid_t top = topmost(processes, holders, holder.pid);
      Candidate& candidate = by_top[top];
      candidate.top = top;
      candidate.netns = found.listeners.at(inode).netns;
      candidate.holders.insert(holder.pid);
      candidate.sockets.emplace(inode, holder);
      if (holder.pid == top) candidate.sockets[inode] = holder;
    }
  }
  std::vector<Candidate> candidates;
  for (auto& [top, candidate] : by_top) candidates.push_back(std::move(candidate));
  return candidates;
}

std::string list_of(const ProcessTable& processes, const std::vector<Candidate>& candidates) {
  std::string text;
  for (const Candidate& candidate : candidates) {
    text += fmt::format("{}{} (pid {}, network namespace {})", text.empty() ? "" : ", ",
                        processes.at(candidate.top).name, candidate.top, candidate.netns);
  }
  return text;
}

absl::StatusOr<Candidate> choose(const ProcessTable& processes, const std::vector<Candidate>& candidates,
                                 std::uint16_t port, std::optional<pid_t> pid) {
  if (candidates.empty()) {
    return absl::NotFoundError(fmt::format(
        "TCP port {} is listened on, but no process that can be seen holds the socket: run as root in the host's pid "
        "namespace (a listener of the kernel itself or of a shadow cannot be shadowed)",
        port));
  }
  if (pid) {
    for (const Candidate& candidate : candidates)
      if (candidate.top == *pid || candidate.holders.contains(*pid)) return candidate;
    const auto process = processes.find(*pid);
    return absl::NotFoundError(fmt::format("{} does not listen on TCP port {}; these do: {}",
                                           process == processes.end()
                                               ? fmt::format("there is no process {}: it", *pid)
                                               : fmt::format("{} (pid {})", process->second.name, *pid),
                                           port, list_of(processes, candidates)));
  }
  if (candidates.size() > 1) {
    return absl::FailedPreconditionError(fmt::format(
        "several instances listen on TCP port {}: {}; choose one by its pid", port, list_of(processes, candidates)));
  }
  return candidates.front();
}

// CPUs in "0-3,8".
std::int64_t count_cpus(const std::string& list) {
  std::int64_t count = 0;
  std::istringstream in(list);
  for (std::string range; std::getline(in, range, ',');) {
    long first = 0, last = 0;
    char dash = 0;
    std::istringstream bounds(range);
    if (!(bounds >> first)) continue;
    if (!(bounds >> dash >> last)) last = first;
    count += last - first + 1;
  }
  return count;
}

MilliCpu usable_cpu(const std::string& proc, const std::string& cgroup, pid_t pid) {
  const std::string status = read_file(proc + "/" + std::to_string(pid) + "/status").value_or("");
  const MilliCpu affinity{std::max<std::int64_t>(1, count_cpus(field_of(status, "Cpus_allowed_list"))) * 1000};
  return std::min(affinity, cpu_quota(proc, cgroup, pid).value_or(affinity));
}

// Pages that the tree has in memory. Pages shared between its processes are counted once, as the largest share of one.
Bytes resident(const std::string& proc, const std::vector<pid_t>& tree) {
  std::uint64_t own = 0, shared = 0;
  for (pid_t pid : tree) {
    std::istringstream in(read_file(proc + "/" + std::to_string(pid) + "/statm").value_or(""));
    std::uint64_t size = 0, pages = 0, common = 0;
    if (!(in >> size >> pages >> common)) continue;
    own += pages - std::min(pages, common);
    shared = std::max(shared, common);
  }
  return Bytes{(own + shared) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
}

Bytes usable_memory(const std::string& proc, const std::string& cgroup, pid_t pid) {
  if (const auto limit = memory_limit(proc, cgroup, pid)) {
    std::istringstream total(field_of(read_file(proc + "/meminfo").value_or(""), "MemTotal"));
    std::uint64_t kibibytes = 0;
    if (!(total >> kibibytes) || limit->value < kibibytes << 10) return std::max(*limit, kLeastMemory);
  }
  return std::max(kLeastMemory, resident(proc, process_tree(proc, pid)));
}

}  // namespace

absl::StatusOr<Instance> find_instance(const std::string& proc, const std::string& cgroup, std::uint16_t port,
                                       std::optional<pid_t> pid) {
  const ProcessTable processes = all_processes(proc);
  const Survey found = survey(proc, processes, port);
  if (found.listeners.empty()) return nothing_listens(found, port);
  const std::vector<Candidate> candidates = candidates_of(proc, processes, found);
  ASSIGN_OR_RETURN(const Candidate chosen, choose(processes, candidates, port, pid));

  Instance instance;
  instance.pid = chosen.top;
  instance.start_ticks = processes.at(chosen.top).start_ticks;
  instance.command = processes.at(chosen.top).name;
  instance.netns = chosen.netns;
  for (const auto& [inode, holder] : chosen.sockets) {
    ListenSocket socket = found.listeners.at(inode).socket;
    socket.pid = holder.pid;
    socket.fd = holder.fd;
    instance.listeners.push_back(std::move(socket));
  }
  instance.cpu = usable_cpu(proc, cgroup, instance.pid);
  instance.memory = usable_memory(proc, cgroup, instance.pid);
  return instance;
}

std::vector<pid_t> process_tree(const std::string& proc, pid_t root) {
  const ProcessTable processes = all_processes(proc);
  if (!processes.contains(root)) return {};
  std::multimap<pid_t, pid_t> children;
  for (const auto& [pid, process] : processes) children.emplace(process.parent, pid);
  std::vector<pid_t> tree{root};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto [first, last] = children.equal_range(tree[i]);
    for (auto child = first; child != last; ++child) tree.push_back(child->second);
  }
  return tree;
}

absl::StatusOr<UniqueFd> borrow_socket(const SocketHolder& holder) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, holder.pid, 0)));
  if (!process.valid()) return errno_status(fmt::format("process {}", holder.pid));
  UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), holder.fd, 0)));
  if (!copy.valid()) {
    return errno_status(
        fmt::format("descriptor {} of process {} (needs CAP_SYS_PTRACE and Linux 5.6)", holder.fd, holder.pid));
  }
  struct stat status {};
  if (::fstat(copy.get(), &status) != 0 || !S_ISSOCK(status.st_mode) || status.st_ino != holder.inode) {
    return absl::NotFoundError(fmt::format("descriptor {} of process {} is another one by now", holder.fd, holder.pid));
  }
  return copy;
}

std::vector<SocketHolder> open_connections(const std::string& proc, const Instance& instance) {
  std::vector<SocketHolder> connections;
  std::set<std::uint64_t> inodes;
  const std::vector<pid_t> tree = process_tree(proc, instance.pid);
  std::set<std::uint16_t> ports;
  for (const ListenSocket& listener : instance.listeners) ports.insert(listener.port);
  for (pid_t pid : tree) {  // any process of the tree that is in the listeners' namespace shows them
    if (namespace_of(proc, pid, "net") != instance.netns) continue;
    for (const ListenSocket& socket :
         tcp_sockets(proc, pid, TcpState::kEstablished).value_or(std::vector<ListenSocket>{}))
      if (ports.contains(socket.port) && socket.inode != 0) inodes.insert(socket.inode);
    break;
  }
  if (inodes.empty()) return connections;
  for (const auto& [inode, holders] : socket_holders(proc, tree, inodes))
    connections.push_back({holders.front().pid, holders.front().fd, inode});
  return connections;
}

}  // namespace gnomon::discovery
