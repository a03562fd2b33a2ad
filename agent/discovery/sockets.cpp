#include "agent/discovery/sockets.h"

#include <arpa/inet.h>

#include <cstring>
#include <sstream>

namespace gnomon::discovery {
namespace {

struct Row {
  std::string address;  // hexadecimal, as the kernel prints it
  std::uint16_t port = 0;
  unsigned state = 0;
  std::uint64_t inode = 0;
};

// "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …"
std::optional<Row> parse_row(const std::string& line) {
  std::istringstream in(line);
  std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
  if (!(in >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode))
    return std::nullopt;
  const std::size_t colon = local.find(':');
  if (colon == std::string::npos) return std::nullopt;
  try {
    return Row{local.substr(0, colon), static_cast<std::uint16_t>(std::stoul(local.substr(colon + 1), nullptr, 16)),
               static_cast<unsigned>(std::stoul(state, nullptr, 16)), std::stoull(inode)};
  } catch (const std::exception&) {
    return std::nullopt;  // the heading
  }
}

// The kernel prints each 32-bit word of the address as a number in its own byte order.
bool parse_words(const std::string& hex, std::uint32_t* words, std::size_t count) {
  if (hex.size() != count * 8) return false;
  for (std::size_t i = 0; i < count; ++i) {
    try {
      words[i] = static_cast<std::uint32_t>(std::stoul(hex.substr(i * 8, 8), nullptr, 16));
    } catch (const std::exception&) {
      return false;
    }
  }
  return true;
}

bool fill_ipv4(in_addr address, ListenSocket* socket) {
  char text[INET_ADDRSTRLEN];
  if (!inet_ntop(AF_INET, &address, text, sizeof text)) return false;
  socket->address = text;
  socket->wildcard = address.s_addr == htonl(INADDR_ANY);
  socket->loopback = (ntohl(address.s_addr) >> 24) == 127;
  return true;
}

bool fill_address(const std::string& hex, ListenSocket* socket) {
  std::uint32_t words[4];
  if (hex.size() == 8) {
    if (!parse_words(hex, words, 1)) return false;
    return fill_ipv4(in_addr{words[0]}, socket);
  }
  if (!parse_words(hex, words, 4)) return false;
  in6_addr address{};
  std::memcpy(&address, words, sizeof address);
  if (IN6_IS_ADDR_V4MAPPED(&address)) {  // what a JVM binds: an IPv4 listener for all who connect
    in_addr v4{};
    std::memcpy(&v4, address.s6_addr + 12, sizeof v4);
    return fill_ipv4(v4, socket);
  }
  char text[INET6_ADDRSTRLEN];
  if (!inet_ntop(AF_INET6, &address, text, sizeof text)) return false;
  socket->address = text;
  socket->wildcard = IN6_IS_ADDR_UNSPECIFIED(&address);
  socket->loopback = IN6_IS_ADDR_LOOPBACK(&address);
  return true;
}

}  // namespace

std::string ListenSocket::to_string() const {
  const bool v6 = address.find(':') != std::string::npos;
  return (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::optional<std::vector<ListenSocket>> tcp_sockets(const std::string& proc, pid_t pid, TcpState state) {
  std::vector<ListenSocket> sockets;
  const std::string net = proc + "/" + std::to_string(pid) + "/net/";
  const auto v4 = read_file(net + "tcp");
  if (!v4) return std::nullopt;
  for (const std::string& table : {*v4, read_file(net + "tcp6").value_or("")}) {  // tcp6 is absent without IPv6
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      const auto row = parse_row(line);
      if (!row || row->state != static_cast<unsigned>(state)) continue;
      ListenSocket socket;
      socket.inode = row->inode;
      socket.port = row->port;
      if (fill_address(row->address, &socket)) sockets.push_back(std::move(socket));
    }
  }
  return sockets;
}

bool udp_bound(const std::string& proc, pid_t pid, std::uint16_t port) {
  for (const char* table : {"udp", "udp6"}) {
    std::istringstream lines(read_file(proc + "/" + std::to_string(pid) + "/net/" + table).value_or(""));
    for (std::string line; std::getline(lines, line);)
      if (const auto row = parse_row(line); row && row->port == port) return true;
  }
  return false;
}

std::map<std::uint64_t, std::vector<Holder>> socket_holders(const std::string& proc, const std::vector<pid_t>& pids,
                                                            const std::set<std::uint64_t>& inodes) {
  std::map<std::uint64_t, std::vector<Holder>> holders;
  for (pid_t pid : pids) {
    const std::string directory = proc + "/" + std::to_string(pid) + "/fd/";
    for (int fd : numbered_entries(directory)) {
      const auto link = read_link(directory + std::to_string(fd));
      const std::uint64_t inode = link ? inode_in_link(*link, "socket") : 0;
      if (inode == 0 || !inodes.contains(inode)) continue;
      auto& known = holders[inode];
      if (known.empty() || known.back().pid != pid) known.push_back({pid, fd});
    }
  }
  return holders;
}

std::vector<ListenSocket> listeners_of_tree(const std::string& proc, pid_t root, std::uint16_t port) {
  std::vector<ListenSocket> listeners;
  std::set<std::uint64_t> inodes;
  for (ListenSocket& socket : tcp_sockets(proc, root, TcpState::kListen).value_or(std::vector<ListenSocket>{})) {
    if (socket.port != port) continue;
    inodes.insert(socket.inode);
    listeners.push_back(std::move(socket));
  }
  if (inodes.empty()) return {};
  const auto holders = socket_holders(proc, process_tree(proc, root), inodes);
  std::erase_if(listeners, [&](ListenSocket& socket) {
    const auto found = holders.find(socket.inode);
    if (found == holders.end()) return true;
    socket.pid = found->second.front().pid;
    socket.fd = found->second.front().fd;
    return false;
  });
  return listeners;
}

}  // namespace gnomon::discovery
