// What the guard and the forwarder let through: connections and datagrams, allowed and redirected.

#include "tests/bpf/egress_fixture.h"

namespace gnomon::egress {
namespace {

// A server of the test's own network that answers each connection with a greeting.
class Greeter {
 public:
  Greeter() : listener_(open_socket(AF_INET, SOCK_STREAM)) {
    const Name here = name_of("127.0.0.1", 0);
    EXPECT_EQ(::bind(listener_.get(), here.get(), here.length), 0);
    EXPECT_EQ(::listen(listener_.get(), 8), 0);
    port = port_of(listener_.get());
    thread_ = std::thread([this] {
      while (true) {
        const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection.valid()) return;
        char byte = 0;
        if (::recv(connection.get(), &byte, 1, 0) == 1) (void)::send(connection.get(), "hello", 5, MSG_NOSIGNAL);
      }
    });
  }
  ~Greeter() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  std::uint16_t port = 0;

 private:
  UniqueFd listener_;
  std::thread thread_;
};

// Whether a connection there is greeted and seems to be where it was meant to.
int greeted(int family, const std::string& address, std::uint16_t port) {
  const UniqueFd socket = open_socket(family, SOCK_STREAM);
  const Name to = name_of(address, port);
  if (::connect(socket.get(), to.get(), to.length) != 0) return errno;
  if (peer_of(socket.get()) != fmt::format("{} {}", address, port)) return 250;
  char text[5];
  if (::send(socket.get(), "?", 1, MSG_NOSIGNAL) != 1) return 251;
  return ::recv(socket.get(), text, sizeof text, MSG_WAITALL) == 5 && std::memcmp(text, "hello", 5) == 0 ? 0 : 252;
}

TEST_F(EgressGuard, ARedirectedConnectionEndsUpElsewhereAndDoesNotKnow) {
  Greeter staging;
  ASSERT_NO_FATAL_FAILURE(start_guard(
      {rule("10.0.3.7", 5432, "127.0.0.1", staging.port), rule("fd00::7", 5432, "127.0.0.1", staging.port)}));
  EXPECT_EQ(inside([] { return greeted(AF_INET, "10.0.3.7", 5432); }), 0);
  EXPECT_EQ(inside([] { return greeted(AF_INET6, "fd00::7", 5432); }), 0);
  EXPECT_EQ(inside([] { return greeted(AF_INET6, "::ffff:10.0.3.7", 5432); }), 0);
  EXPECT_THAT(inside([] { return greeted(AF_INET, "10.0.3.7", 5433); }), kRefused);
  EXPECT_EQ(count("10.0.3.7:5432", "tcp", "redirected"), 2u);
  EXPECT_EQ(count("[fd00::7]:5432", "tcp", "redirected"), 1u);
  EXPECT_EQ(count("10.0.3.7:5433", "tcp"), 1u);
  const Forwarder::Totals totals = forwarder_->totals();
  EXPECT_EQ(totals.connected, 3u);
  EXPECT_EQ(totals.failed + totals.refused, 0u);
}

TEST_F(EgressGuard, AnAllowedAddressIsReachedFromTheAgentsNetworkEvenIfItIsLoopback) {
  Greeter dependency;
  EgressRule all = rule("127.0.0.1", dependency.port);
  ASSERT_NO_FATAL_FAILURE(start_guard({all}));
  EXPECT_EQ(inside([&] { return greeted(AF_INET, "127.0.0.1", dependency.port); }), 0);
  EXPECT_EQ(count(fmt::format("127.0.0.1:{}", dependency.port), "tcp", "allowed"), 1u);
}

TEST_F(EgressGuard, APrefixWithAllPortsAllowsConnectionsAndNoDatagrams) {
  Greeter dependency;
  EgressRule loopback;
  loopback.network = ip("127.0.0.0");
  loopback.prefix = 96 + 8;
  ASSERT_NO_FATAL_FAILURE(start_guard({loopback}));
  EXPECT_EQ(inside([&] { return greeted(AF_INET, "127.0.0.1", dependency.port); }), 0);
  EXPECT_THAT(inside([] { return send_to(AF_INET, SOCK_DGRAM, "127.0.0.1", 53); }), kRefused);
  EXPECT_EQ(count("127.0.0.1:53", "udp"), 1u);
}

// With a socket that the guard has not seen the forwarder's port can be guessed: nothing is behind it.
TEST_F(EgressGuard, TheForwarderTurnsAwayWhatTheGuardDoesNotKnow) {
  Greeter dependency;
  ASSERT_NO_FATAL_FAILURE(start_guard({rule("127.0.0.1", dependency.port)}));
  const std::uint16_t port = forwarder_->ports().tcp.front();
  ASSERT_NE(port, 0);
  EXPECT_THAT(inside([&] { return greeted(AF_INET, kAgent4, port); }, false), AnyOf(ECONNRESET, 251, 252));
  EXPECT_THAT(inside([&] { return connect_to(AF_INET, SOCK_STREAM, kAgent4, port); }), kRefused);
  EXPECT_EQ(forwarder_->totals().refused, 1u);
  EXPECT_EQ(forwarder_->totals().connected, 0u);
}

TEST_F(EgressGuard, DatagramsOfOneDestinationAreExchangedAndSeemToComeFromIt) {
  const UniqueFd server = open_socket(AF_INET, SOCK_DGRAM);
  const Name here = name_of("127.0.0.1", 0);
  ASSERT_EQ(::bind(server.get(), here.get(), here.length), 0);
  ASSERT_NO_FATAL_FAILURE(start_guard({rule("10.0.0.2", 53, "127.0.0.1", port_of(server.get())),
                                       rule("fd00::2", 53, "127.0.0.1", port_of(server.get()))}));
  std::thread echo([&] {
    for (int i = 0; i < 3; ++i) {
      char text[16];
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t got = ::recvfrom(server.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got < 0) return;
      ::sendto(server.get(), text, static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
  });
  const auto ask = [](int family, const std::string& address, bool connected) {
    const UniqueFd socket = open_socket(family, SOCK_DGRAM);
    const Name to = name_of(address, 53);
    Name from;
    from.length = sizeof from.storage;
    char text[16];
    if (connected && ::connect(socket.get(), to.get(), to.length) != 0) return errno;
    if (connected && peer_of(socket.get()) != address + " 53") return 249;
    if (::sendto(socket.get(), "question", 8, 0, connected ? nullptr : to.get(), connected ? 0 : to.length) != 8)
      return 250;
    if (::recvfrom(socket.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from.storage), &from.length) != 8)
      return 251;
    const bool same = family == AF_INET
                          ? std::memcmp(&reinterpret_cast<sockaddr_in*>(&from.storage)->sin_addr,
                                        &reinterpret_cast<const sockaddr_in*>(&to.storage)->sin_addr, 4) == 0
                          : std::memcmp(&reinterpret_cast<sockaddr_in6*>(&from.storage)->sin6_addr,
                                        &reinterpret_cast<const sockaddr_in6*>(&to.storage)->sin6_addr, 16) == 0;
    return same && reinterpret_cast<sockaddr_in*>(&from.storage)->sin_port == htons(53) ? 0 : 252;
  };
  EXPECT_EQ(inside([&] { return ask(AF_INET, "10.0.0.2", false); }), 0);
  EXPECT_EQ(inside([&] { return ask(AF_INET, "10.0.0.2", true); }), 0);
  EXPECT_EQ(inside([&] { return ask(AF_INET6, "fd00::2", false); }), 0);
  echo.join();
  EXPECT_EQ(count("10.0.0.2:53", "udp", "redirected"), 2u);
  EXPECT_EQ(count("[fd00::2]:53", "udp", "redirected"), 1u);
  EXPECT_EQ(forwarder_->totals().datagrams, 6u);
}

}  // namespace
}  // namespace gnomon::egress
