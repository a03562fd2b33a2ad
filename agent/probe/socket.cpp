#include "agent/probe/socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

#include "common/status.h"

namespace gnomon::probe {
namespace {

// The value of an integer socket option at SOL_SOCKET.
absl::StatusOr<int> socket_option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) {
    return errno_status(fmt::format("probe: descriptor {} is not a socket that can be watched", fd));
  }
  return value;
}

}  // namespace

absl::Status check_socket(int fd, bool listener) {
  ASSIGN_OR_RETURN(const int protocol, socket_option(fd, SO_PROTOCOL));
  if (protocol != IPPROTO_TCP) {
    return absl::InvalidArgumentError(fmt::format("probe: descriptor {} is not a TCP socket", fd));
  }
  ASSIGN_OR_RETURN(const int listening, socket_option(fd, SO_ACCEPTCONN));
  if ((listening != 0) != listener) {
    return absl::InvalidArgumentError(
        fmt::format("probe: descriptor {} is {} listening socket", fd, listener ? "not a" : "a"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint16_t> local_port(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return errno_status(fmt::format("probe: socket {} has no address", fd));
  // At the same place for IPv4 and IPv6.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

absl::StatusOr<std::uint64_t> socket_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0)
    return errno_status(fmt::format("probe: cannot identify socket {}", fd));
  return cookie;
}

absl::StatusOr<std::uint64_t> netns_cookie(int fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (::getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0)
    return errno_status(fmt::format("probe: socket {} has no network namespace", fd));
  return cookie;
}

}  // namespace gnomon::probe
