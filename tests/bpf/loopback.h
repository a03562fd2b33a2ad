#pragma once
// A TCP service and its clients, on loopback unless told, for tests of what the kernel sees of them.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "common/unique_fd.h"

namespace gnomon::loopback {

[[noreturn]] inline void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

inline std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

inline void send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0) fail("send");
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Exactly `size` bytes, or fewer if the peer closes.
inline std::string receive(int fd, std::size_t size) {
  std::string data(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got = ::recv(fd, data.data() + have, size - have, 0);
    if (got < 0) fail("recv");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  data.resize(have);
  return data;
}

// At any free port of an IPv4 address, in network byte order.
inline UniqueFd bound_socket(in_addr_t at) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = at;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fail("bind");
  return fd;
}

// Accepts connections, each served by a thread of its own, until it is destroyed; by then all clients must have closed.
class Service {
 public:
  using Serve = std::function<void(int fd)>;

  explicit Service(Serve serve, UniqueFd listener = bound_socket(htonl(INADDR_LOOPBACK)))
      : serve_(std::move(serve)), listener_(std::move(listener)) {
    socklen_t size = sizeof(address_);
    if (::listen(listener_.get(), 512) != 0) fail("listen");
    if (::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address_), &size) != 0) fail("getsockname");
  }
  ~Service() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
  }

  // Begins to accept; connections made before wait in the backlog.
  void start() {
    acceptor_ = std::thread([this] { accept_all(); });
  }
  int listener() const { return listener_.get(); }

  UniqueFd connect() const {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) != 0) fail("connect");
    return fd;
  }

 private:
  void accept_all() {
    while (true) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      threads_.emplace_back([this, fd] {
        const UniqueFd owner(fd);
        serve_(fd);
      });
    }
  }

  Serve serve_;
  UniqueFd listener_;
  sockaddr_in address_{};
  std::vector<std::thread> threads_;  // only the acceptor adds to it
  std::thread acceptor_;
};

// The ways in which a service can take bytes off its socket.
enum class ReadCall { kRecv, kRead, kReadv, kRecvmsg, kRecvmmsg, kPeekThenRecv, kWaitAll };

// Up to `size` bytes with one call of that kind (two for a peek). Returns 0 at the end of the stream.
inline std::size_t read_with(ReadCall call, int fd, char* data, std::size_t size) {
  iovec parts[3] = {
      {data, size / 5}, {data + size / 5, size / 3}, {data + size / 5 + size / 3, size - size / 5 - size / 3}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 3;
  ssize_t got = -1;
  switch (call) {
    case ReadCall::kRecv:
      got = ::recv(fd, data, size, 0);
      break;
    case ReadCall::kRead:
      got = ::read(fd, data, size);
      break;
    case ReadCall::kReadv:
      got = ::readv(fd, parts, 3);
      break;
    case ReadCall::kRecvmsg:
      got = ::recvmsg(fd, &message, 0);
      break;
    case ReadCall::kRecvmmsg: {
      mmsghdr several{.msg_hdr = message, .msg_len = 0};
      got = ::recvmmsg(fd, &several, 1, 0, nullptr);
      if (got == 1) got = several.msg_len;
      break;
    }
    case ReadCall::kPeekThenRecv:
      got = ::recv(fd, data, size, MSG_PEEK);
      if (got > 0) got = ::recv(fd, data, static_cast<std::size_t>(got + 1) / 2, 0);
      break;
    case ReadCall::kWaitAll:
      got = ::recv(fd, data, size, MSG_WAITALL);
      break;
  }
  if (got < 0) fail("reading");
  return static_cast<std::size_t>(got);
}

}  // namespace gnomon::loopback
