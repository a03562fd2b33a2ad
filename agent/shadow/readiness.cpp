#include "agent/shadow/readiness.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>

#include "common/status.h"
#include "common/unique_fd.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

constexpr Nanos kConnectTimeout = std::chrono::seconds(1);  // the link has no other end to lose packets on
constexpr int kLookAgainMs = 2;
constexpr std::size_t kLongestStatusLine = 512;

absl::StatusOr<UniqueFd> connect_to(const std::string& address, std::uint16_t port, Nanos timeout) {
  const bool v6 = address.find(':') != std::string::npos;
  sockaddr_storage storage{};
  if (v6) {
    auto* to = reinterpret_cast<sockaddr_in6*>(&storage);
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(port);
    if (::inet_pton(AF_INET6, address.c_str(), &to->sin6_addr) != 1) return absl::InternalError(address);
  } else {
    auto* to = reinterpret_cast<sockaddr_in*>(&storage);
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &to->sin_addr) != 1) return absl::InternalError(address);
  }
  UniqueFd socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_status("socket");
  const auto microseconds = std::chrono::ceil<std::chrono::microseconds>(timeout).count();
  const timeval patience{microseconds / 1'000'000, microseconds % 1'000'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const socklen_t length = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return errno_status(fmt::format("connecting to the shadow at {} port {}", address, port));
  return socket;
}

// "HTTP/1.1 503 Service Unavailable", as much of it as has come when the peer stops or the deadline is there.
std::string status_line(int socket, std::chrono::steady_clock::time_point deadline) {
  std::string line;
  char buffer[kLongestStatusLine];
  while (line.size() < kLongestStatusLine && line.find('\n') == std::string::npos &&
         std::chrono::steady_clock::now() < deadline) {
    const ssize_t length = ::recv(socket, buffer, sizeof buffer, 0);
    if (length <= 0) break;
    line.append(buffer, static_cast<std::size_t>(length));
  }
  return line.substr(0, std::min({line.find('\r'), line.find('\n'), kLongestStatusLine}));
}

}  // namespace

std::uint64_t connections_waiting(const std::string& net, std::uint16_t port) {
  std::uint64_t waiting = 0;
  for (const char* table : {"/tcp", "/tcp6"}) {
    std::ifstream lines(net + table);
    // "0: 0100007F:1F90 00000000:0000 0A 00000000:00000003": of a listener the last number is what waits.
    for (std::string line; std::getline(lines, line);) {
      unsigned local = 0, state = 0, queued = 0;
      if (std::sscanf(line.c_str(), " %*d: %*[0-9A-F]:%X %*[0-9A-F]:%*X %X %*X:%X", &local, &state, &queued) == 3 &&
          local == port && state == TCP_LISTEN)
        waiting += queued;
    }
  }
  return waiting;
}

absl::Status accepts_connection(const std::string& address, std::uint16_t port, const std::string& net, Nanos timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  ASSIGN_OR_RETURN(const UniqueFd socket, connect_to(address, port, kConnectTimeout));
  while (connections_waiting(net, port) > 0) {
    if (std::chrono::steady_clock::now() >= deadline)
      return absl::DeadlineExceededError(fmt::format("port {} is open, but the service takes no connection", port));
    ::poll(nullptr, 0, kLookAgainMs);
  }
  return absl::OkStatus();
}

absl::Status answers_http(const std::string& address, std::uint16_t port, const std::string& path, Nanos timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  ASSIGN_OR_RETURN(const UniqueFd socket, connect_to(address, port, std::max<Nanos>(timeout, Nanos(1000))));
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gnomon\r\nConnection: close\r\n\r\n", path);
  if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return errno_status(fmt::format("sending GET {}", path));
  const std::string line = status_line(socket.get(), deadline);
  // "HTTP/1.1 204 …"
  if (line.starts_with("HTTP/1.") && line.size() >= 12 && (line[9] == '2' || line[9] == '3')) return absl::OkStatus();
  return absl::UnavailableError(line.empty() ? fmt::format("GET {} got no answer", path)
                                             : fmt::format("GET {} was answered with \"{}\"", path, line));
}

}  // namespace gnomon::shadow
