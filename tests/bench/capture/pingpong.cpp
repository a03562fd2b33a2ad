// The smallest service there is, and its client: every read is answered with one small HTTP response.
//   capture-pingpong serve                            prints its port; ends with its standard input
//   capture-pingpong ping PORT CONNECTIONS REQUESTS   requests in all, one at a time on each connection in turn

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.h"

namespace gnomon {
namespace {

constexpr std::string_view kRequest = "GET /item?id=42 HTTP/1.1\r\nHost: b\r\n\r\n";
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

void require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void add(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  require(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

void answer(int fd) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (got <= 0 || ::send(fd, kResponse.data(), kResponse.size(), MSG_NOSIGNAL) < 0) ::close(fd);
}

int serve() {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  require(::bind(listener.get(), any, size) == 0 && ::listen(listener.get(), 4096) == 0, "listen");
  require(::getsockname(listener.get(), any, &size) == 0, "getsockname");
  fmt::print("{}\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  add(epoll.get(), listener.get());
  add(epoll.get(), STDIN_FILENO);
  std::array<epoll_event, 64> events;
  while (true) {
    const int ready = ::epoll_wait(epoll.get(), events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[i].data.fd;
      if (fd == STDIN_FILENO) return 0;
      if (fd != listener.get()) {
        answer(fd);
        continue;
      }
      const int accepted = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (accepted < 0) continue;
      no_delay(accepted);
      add(epoll.get(), accepted);
    }
  }
}

int ping(std::uint16_t port, std::size_t connections, std::uint64_t requests) {
  const sockaddr_in address = loopback(port);
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < connections; ++i) {
    clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    require(::connect(clients.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
            "connect");
    no_delay(clients.back().get());
  }
  std::array<char, kResponse.size()> buffer;
  for (std::uint64_t i = 0; i < requests; ++i) {
    const int fd = clients[i % connections].get();
    require(::send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(kRequest.size()),
            "send");
    require(::recv(fd, buffer.data(), buffer.size(), MSG_WAITALL) == static_cast<ssize_t>(buffer.size()), "recv");
  }
  fmt::print(R"({{"requests":{},"bytes":{}}})"
             "\n",
             requests, requests * kRequest.size());
  return 0;
}

}  // namespace
}  // namespace gnomon

int main(int argc, char** argv) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "serve") return gnomon::serve();
  if (what == "ping" && argc == 5)
    return gnomon::ping(static_cast<std::uint16_t>(std::stoul(argv[2])), std::stoul(argv[3]), std::stoull(argv[4]));
  fmt::print(stderr, "usage: capture-pingpong serve | ping PORT CONNECTIONS REQUESTS\n");
  return 2;
}
