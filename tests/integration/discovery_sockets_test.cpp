// Discovery over the real /proc, with sockets and network namespaces that the test makes.

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/discovery/instance.h"
#include "agent/discovery/procfs.h"
#include "agent/shadow/namespaces.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::discovery {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Instance> find(std::uint16_t port, std::optional<pid_t> pid = std::nullopt) {
  return find_instance("/proc", "/sys/fs/cgroup", port, pid);
}

std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

class DiscoveryOfSockets : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to see other processes' sockets";
    if (::access("/usr/bin/python3", X_OK) != 0) GTEST_SKIP() << "/usr/bin/python3 is missing";
    script_ = files_.file("eval.py", shadow::kEvalServer);
  }
  std::vector<std::string> server(const std::string& address, std::uint16_t port) {
    return {"/usr/bin/python3", script_, address, std::to_string(port)};
  }
  shadow::TemporaryDirectory files_;
  std::string script_;
};

TEST_F(DiscoveryOfSockets, AServerIsFoundWithItsListenerWhichCanBeBorrowed) {
  const std::uint16_t port = shadow::free_port();
  const shadow::Service python(server("127.0.0.1", port), "/");
  const auto instance = shadow::wait_for_instance(port);
  ASSERT_TRUE(instance.ok()) << instance.status();
  EXPECT_EQ(instance->pid, python.pid());
  EXPECT_EQ(instance->netns, namespace_of("/proc", ::getpid(), "net"));
  ASSERT_EQ(instance->listeners.size(), 1u);
  EXPECT_TRUE(instance->listeners[0].loopback);
  SocketHolder holder{instance->listeners[0].pid, instance->listeners[0].fd, instance->listeners[0].inode};
  const auto copy = borrow_socket(holder);
  ASSERT_TRUE(copy.ok()) << copy.status();
  int listening = 0;
  socklen_t length = sizeof listening;
  ASSERT_EQ(::getsockopt(copy->get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &length), 0);
  EXPECT_EQ(listening, 1);
  EXPECT_EQ(port_of(copy->get()), port);
  ++holder.inode;  // as if the number had been reused
  EXPECT_TRUE(absl::IsNotFound(borrow_socket(holder).status()));
}

TEST_F(DiscoveryOfSockets, OpenConnectionsCanBeBorrowed) {
  const std::uint16_t port = shadow::free_port();
  const shadow::Service python(server("127.0.0.1", port), "/");
  const auto instance = shadow::wait_for_instance(port);
  ASSERT_TRUE(instance.ok()) << instance.status();
  EXPECT_TRUE(open_connections("/proc", *instance).empty());
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  std::vector<SocketHolder> open;
  for (int attempt = 0; open.empty() && attempt < 400; ++attempt) {  // until the server has accepted it
    open = open_connections("/proc", *instance);
    if (open.empty()) ::usleep(20'000);
  }
  ASSERT_EQ(open.size(), 1u);
  const auto borrowed = borrow_socket(open[0]);
  ASSERT_TRUE(borrowed.ok()) << borrowed.status();
  sockaddr_in peer{};
  socklen_t length = sizeof peer;
  ASSERT_EQ(::getpeername(borrowed->get(), reinterpret_cast<sockaddr*>(&peer), &length), 0);
  EXPECT_EQ(ntohs(peer.sin_port), port_of(client.get()));
}

TEST_F(DiscoveryOfSockets, TheSamePortInTwoNetworkNamespacesIsAmbiguousWithoutAPid) {
  const auto space = shadow::new_network_namespace();
  ASSERT_TRUE(space.ok()) << space.status();
  const std::uint16_t port = shadow::free_port();
  const shadow::Service here(server("0.0.0.0", port), "/");
  const auto first = shadow::wait_for_instance(port);
  ASSERT_TRUE(first.ok()) << first.status();
  const shadow::Service there(server("0.0.0.0", port), "/", [&] {
    if (::setns(space->get(), CLONE_NEWNET) != 0) ::_exit(98);
  });
  auto second = find(port, there.pid());
  for (int attempt = 0; !second.ok() && attempt < 400; ++attempt) {
    ::usleep(20'000);
    second = find(port, there.pid());
  }
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(second->netns, first->netns);
  EXPECT_EQ(second->netns, namespace_of("/proc", there.pid(), "net"));
  const auto either = find(port);
  EXPECT_EQ(either.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(either.status().message()), HasSubstr(std::to_string(here.pid())));
  EXPECT_THAT(std::string(either.status().message()), HasSubstr(std::to_string(there.pid())));
}

TEST_F(DiscoveryOfSockets, AUdpPortIsNamedAsSuch) {
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(udp.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const auto found = find(port_of(udp.get()));
  EXPECT_EQ(found.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("UDP"));
}

}  // namespace
}  // namespace gnomon::discovery
