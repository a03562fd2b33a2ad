// The egress guard with nothing else in the way: a process with every right, in a cgroup and a network namespace that
// have a link to the test's. Each way out is tried and its count is looked at.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "agent/egress/forwarder.h"
#include "agent/egress/guard.h"
#include "common/unique_fd.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::egress {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;

constexpr char kAgent4[] = "169.254.77.1", kAgent6[] = "fd6e:676e:6f6d::1";

IpAddress ip(const std::string& text) {
  return document::parse_address(text).value();
}

struct Name {  // of a socket
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Name name_of(const std::string& address, std::uint16_t port) {
  Name name;
  if (address.find(':') != std::string::npos) {
    auto* to = reinterpret_cast<sockaddr_in6*>(&name.storage);
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(port);
    ::inet_pton(AF_INET6, address.c_str(), &to->sin6_addr);
    name.length = sizeof *to;
  } else {
    auto* to = reinterpret_cast<sockaddr_in*>(&name.storage);
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    ::inet_pton(AF_INET, address.c_str(), &to->sin_addr);
    name.length = sizeof *to;
  }
  return name;
}

std::uint16_t port_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length), 0);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);  // of IPv6 at the same place
}

UniqueFd open_socket(int family, int type, int protocol = 0) {
  UniqueFd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
  if (!socket.valid()) return socket;  // errno tells why
  const timeval patience{5, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return socket;
}

// errno's value, or 0.
int connect_to(int family, int type, const std::string& address, std::uint16_t port) {
  const UniqueFd socket = open_socket(family, type);
  if (!socket.valid()) return errno;
  const Name to = name_of(address, port);
  return ::connect(socket.get(), to.get(), to.length) == 0 ? 0 : errno;
}

int send_to(int family, int type, const std::string& address, std::uint16_t port, int flags = 0) {
  const UniqueFd socket = open_socket(family, type);
  if (!socket.valid()) return errno;
  const Name to = name_of(address, port);
  return ::sendto(socket.get(), "x", 1, flags, to.get(), to.length) == 1 ? 0 : errno;
}

// What was asked for, as the socket is told; "" if it is not connected.
std::string peer_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return "";
  char text[INET6_ADDRSTRLEN];
  const void* raw = storage.ss_family == AF_INET
                        ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr)
                        : &reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr;
  ::inet_ntop(storage.ss_family, raw, text, sizeof text);
  return fmt::format("{} {}", text, ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port));
}

// The v2 hierarchy, here or in a virtual machine; empty if there is none.
std::string v2_root() {
  for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
    if (::access((std::string(root) + "/cgroup.controllers").c_str(), F_OK) == 0) return root;
  return "";
}

class EgressGuard : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (v2_root().empty()) GTEST_SKIP() << "no cgroup v2 hierarchy is mounted";
    if (::access("/usr/sbin/ip", X_OK) != 0 && ::access("/sbin/ip", X_OK) != 0) GTEST_SKIP() << "iproute2 is missing";
    cgroup_ = fmt::format("{}/gnomon-egress-test-{}", v2_root(), ::getpid());
    ASSERT_EQ(::mkdir(cgroup_.c_str(), 0755), 0);
    for (UniqueFd* space : {&agent_, &shadow_}) *space = new_namespace();
    const std::string pair = fmt::format(
        "ip link set lo up; ip link add replay0 type veth peer name shadow0 && ip link set shadow0 netns "
        "/proc/{}/fd/{} "
        "&& ip addr add {}/30 dev replay0 && ip -6 addr add {}/64 dev replay0 nodad && ip link set replay0 up",
        ::getpid(), shadow_.get(), kAgent4, kAgent6);
    if (run_in(agent_, pair) != 0) GTEST_SKIP() << "no veth pair can be made";
    ASSERT_EQ(run_in(shadow_,
                     "ip link set lo up; ip addr add 169.254.77.2/30 dev shadow0 && ip -6 addr add "
                     "fd6e:676e:6f6d::2/64 dev shadow0 nodad && ip link set shadow0 up && ip route add default "
                     "via 169.254.77.1 && ip -6 route add default via fd6e:676e:6f6d::1 && sysctl -qw "
                     "net.ipv4.ping_group_range='0 1000'"),
              0);
    link_.agent_v4 = ip(kAgent4);
    link_.agent_v6 = ip(kAgent6);
    link_.own = {ip("169.254.77.2"), ip("fd6e:676e:6f6d::2")};
    link_.device = "replay0";
  }

  void TearDown() override {
    forwarder_.reset();
    guard_.reset();
    agent_.reset();
    for (int i = 0; i < 200 && !cgroup_.empty() && ::rmdir(cgroup_.c_str()) != 0 && errno == EBUSY; ++i)
      ::poll(nullptr, 0, 10);
  }

  static UniqueFd new_namespace() {
    UniqueFd fd;
    std::thread([&] {
      EXPECT_EQ(::unshare(CLONE_NEWNET), 0);
      fd.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
    return fd;
  }

  // A shell command in that network namespace.
  static int run_in(const UniqueFd& space, const std::string& command) {
    int status = -1;
    std::thread([&] {
      if (::setns(space.get(), CLONE_NEWNET) == 0)
        status = std::system(("PATH=$PATH:/sbin:/usr/sbin; " + command).c_str());
    }).join();
    return status;
  }

  void start_guard(const std::vector<EgressRule>& rules = {}, bool at_cgroup = true) {
    absl::Status status;
    std::thread([&] {
      ASSERT_EQ(::setns(agent_.get(), CLONE_NEWNET), 0);
      auto listeners = listen_for(link_, rules);
      ASSERT_TRUE(listeners.ok()) << listeners.status();
      listeners_ = *std::move(listeners);
      auto guard = Guard::load(link_, rules, listeners_.ports);
      ASSERT_TRUE(guard.ok()) << guard.status();
      guard_ = *std::move(guard);
      status = guard_->attach_to_link();
    }).join();
    ASSERT_TRUE(status.ok()) << status;
    if (HasFatalFailure()) return;
    if (at_cgroup) status = guard_->attach_to_cgroup(cgroup_);
    ASSERT_TRUE(status.ok()) << status;
    if (rules.empty()) return;
    auto forwarder = Forwarder::start(std::move(listeners_), rules, *guard_, 1);
    ASSERT_TRUE(forwarder.ok()) << forwarder.status();
    forwarder_ = *std::move(forwarder);
  }

  // Runs `work` as a process of the shadow: in its cgroup and namespace. What it returns, as an exit status.
  int inside(const std::function<int()>& work, bool in_cgroup = true) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (in_cgroup) std::ofstream(cgroup_ + "/cgroup.procs") << ::getpid() << std::flush;
      if (::setns(shadow_.get(), CLONE_NEWNET) != 0) ::_exit(255);
      ::_exit(work());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::uint64_t count(const std::string& destination, const std::string& transport,
                      const std::string& action = "denied") {
    for (const Attempt& attempt : guard_->attempts(64))
      if (attempt.destination == destination && attempt.transport == transport && attempt.action == action)
        return attempt.attempts;
    return 0;
  }

  static EgressRule rule(const std::string& to, std::uint16_t port, const std::string& redirect = "",
                         std::uint16_t redirect_port = 0) {
    EgressRule made;
    made.network = ip(to);
    made.port = port;
    if (!redirect.empty()) made.redirect = SocketAddress{ip(redirect), redirect_port};
    return made;
  }

  std::string cgroup_;
  UniqueFd agent_, shadow_;
  Link link_;
  Listeners listeners_;
  std::unique_ptr<Guard> guard_;
  std::unique_ptr<Forwarder> forwarder_;
};

// As without a route; where the kernel cannot say so (before 5.18), as without permission.
const auto kRefused = AnyOf(ENETUNREACH, EPERM);

TEST_F(EgressGuard, TcpConnectionsAreRefusedAndCountedByDestination) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(inside([] { return connect_to(AF_INET, SOCK_STREAM, "10.0.3.7", 5432); }), kRefused);
  EXPECT_THAT(inside([] { return connect_to(AF_INET6, SOCK_STREAM, "fd00::7", 5432); }), kRefused);
  EXPECT_THAT(inside([] { return connect_to(AF_INET6, SOCK_STREAM, "::ffff:10.0.3.8", 5432); }), kRefused);
  EXPECT_EQ(count("10.0.3.7:5432", "tcp"), 3u);
  EXPECT_EQ(count("[fd00::7]:5432", "tcp"), 1u);
  EXPECT_EQ(count("10.0.3.8:5432", "tcp"), 1u);
  const auto attempts = guard_->attempts(1);
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0].destination, "10.0.3.7:5432");
  EXPECT_EQ(attempts[1], (Attempt{"further destinations", "", "denied", 2}));
}

TEST_F(EgressGuard, DatagramsAreRefusedConnectedOrNot) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  EXPECT_THAT(inside([] { return connect_to(AF_INET, SOCK_DGRAM, "10.0.0.2", 53); }), kRefused);
  EXPECT_THAT(inside([] { return send_to(AF_INET, SOCK_DGRAM, "10.0.0.2", 53); }), kRefused);
  EXPECT_THAT(inside([] { return send_to(AF_INET6, SOCK_DGRAM, "fd00::2", 53); }), kRefused);
  EXPECT_THAT(inside([] { return send_to(AF_INET6, SOCK_DGRAM, "::ffff:10.0.0.2", 53); }), kRefused);
  EXPECT_EQ(count("10.0.0.2:53", "udp"), 3u);
  EXPECT_EQ(count("[fd00::2]:53", "udp"), 1u);
}

TEST_F(EgressGuard, FastOpenIsRefused) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  EXPECT_THAT(inside([] { return send_to(AF_INET, SOCK_STREAM, "10.0.3.7", 80, MSG_FASTOPEN); }), kRefused);
  EXPECT_EQ(count("10.0.3.7:80", "tcp"), 1u);
}

TEST_F(EgressGuard, RawAndPingSocketsCannotBeMade) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  const auto make = [&](int family, int type, int protocol) {
    return inside([=] { return open_socket(family, type, protocol).valid() ? 0 : errno; });
  };
  EXPECT_EQ(make(AF_INET, SOCK_RAW, IPPROTO_RAW), EPERM);
  EXPECT_EQ(make(AF_INET6, SOCK_RAW, 200), EPERM);
  EXPECT_EQ(make(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
  EXPECT_EQ(make(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), EPERM);
  EXPECT_EQ(count("*", "raw"), 2u);
  EXPECT_EQ(count("*", "icmp"), 2u);
}

TEST_F(EgressGuard, FramesOfPacketSocketsEndAtTheLink) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  EXPECT_EQ(inside([] {
              const UniqueFd socket = open_socket(AF_PACKET, SOCK_DGRAM);
              sockaddr_ll to{};
              to.sll_family = AF_PACKET;
              to.sll_protocol = htons(0x88b5);  // for experiments
              to.sll_ifindex = static_cast<int>(::if_nametoindex("shadow0"));
              to.sll_halen = ETH_ALEN;
              std::memset(to.sll_addr, 0xff, ETH_ALEN);
              return ::sendto(socket.get(), "12345678", 8, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) == 8 ? 0 : 1;
            }),
            0);
  EXPECT_EQ(count("*", "raw"), 1u);
}

// A process outside of the cgroup stands for a socket that was made before, or handed in: no hook of the cgroup sees
// it.
TEST_F(EgressGuard, SocketsFromOutsideOfTheCgroupEndAtTheLink) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  inside([] { return send_to(AF_INET, SOCK_DGRAM, "10.0.0.2", 53); }, false);
  inside([] { return send_to(AF_INET6, SOCK_DGRAM, "fd00::2", 53); }, false);
  inside(
      [] {
        const UniqueFd socket = open_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        const Name to = name_of("10.0.3.7", 5432);
        ::connect(socket.get(), to.get(), to.length);
        return 0;
      },
      false);
  inside(
      [] {
        const UniqueFd socket = open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
        icmphdr echo{};
        echo.type = ICMP_ECHO;
        const Name to = name_of("10.0.3.9", 0);
        return ::sendto(socket.get(), &echo, sizeof echo, 0, to.get(), to.length) > 0 ? 0 : 1;
      },
      false);
  EXPECT_EQ(count("10.0.0.2:53", "udp"), 1u);
  EXPECT_EQ(count("[fd00::2]:53", "udp"), 1u);
  EXPECT_EQ(count("10.0.3.7:5432", "tcp"), 1u);
  EXPECT_EQ(count("10.0.3.9", "icmp"), 1u);
}

TEST_F(EgressGuard, ASocketPassedIntoTheShadowReachesNothing) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd ours(ends[0]), theirs(ends[1]);
  UniqueFd made;
  std::thread([&] {
    ASSERT_EQ(::setns(shadow_.get(), CLONE_NEWNET), 0);
    made = open_socket(AF_INET, SOCK_DGRAM);
  }).join();
  char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {};
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = made.get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  ASSERT_EQ(::sendmsg(ours.get(), &message, 0), 1);
  made.reset();
  EXPECT_EQ(inside([&] {
              message.msg_controllen = sizeof control;
              if (::recvmsg(theirs.get(), &message, 0) != 1) return 1;
              int received = -1;
              std::memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
              const Name to = name_of("10.0.0.2", 53);
              return ::sendto(received, "x", 1, 0, to.get(), to.length) == 1 ? 0 : 2;
            }),
            0);
  EXPECT_EQ(count("10.0.0.2:53", "udp"), 1u);
}

TEST_F(EgressGuard, ItsOwnAddressesAreNotCountedAndAnswersPass) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  for (const char* address : {"127.0.0.1", "127.8.8.8", "169.254.77.2", "0.0.0.0"})
    EXPECT_EQ(inside([&] { return connect_to(AF_INET, SOCK_STREAM, address, 9); }), ECONNREFUSED) << address;
  for (const char* address : {"::1", "fd6e:676e:6f6d::2", "::ffff:127.0.0.1"})
    EXPECT_EQ(inside([&] { return connect_to(AF_INET6, SOCK_STREAM, address, 9); }), ECONNREFUSED) << address;
  EXPECT_TRUE(guard_->attempts(64).empty());

  // The replayer's connection to the shadow, and the shadow's answer.
  for (const auto& [family, address] : {std::pair{AF_INET, "169.254.77.2"}, std::pair{AF_INET6, "fd6e:676e:6f6d::2"}}) {
    UniqueFd listener;
    std::thread([&] {
      ASSERT_EQ(::setns(shadow_.get(), CLONE_NEWNET), 0);
      listener = open_socket(family, SOCK_STREAM);
      ASSERT_EQ(::listen(listener.get(), 1), 0);
    }).join();
    const std::uint16_t port = port_of(listener.get());
    std::thread([&] {
      ASSERT_EQ(::setns(agent_.get(), CLONE_NEWNET), 0);
      EXPECT_EQ(connect_to(family, SOCK_STREAM, address, port), 0);
    }).join();
  }
  EXPECT_TRUE(guard_->attempts(64).empty());
}

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
  const std::uint16_t port = listeners_.ports.tcp_v4;
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

TEST_F(EgressGuard, ItStaysWhenItsOwnerIsGone) {
  ASSERT_NO_FATAL_FAILURE(start_guard());
  guard_.reset();  // every descriptor of it is closed, as when the agent is killed
  EXPECT_THAT(inside([] { return connect_to(AF_INET, SOCK_STREAM, "10.0.3.7", 5432); }), kRefused);
  EXPECT_EQ(inside([] { return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP).valid() ? 0 : errno; }), EPERM);
  // At the link as well: a socket that no hook of the cgroup sees does not arrive.
  const UniqueFd listener = [&] {
    UniqueFd made;
    std::thread([&] {
      EXPECT_EQ(::setns(agent_.get(), CLONE_NEWNET), 0);
      made = open_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
      const Name here = name_of(kAgent4, 7777);
      EXPECT_EQ(::bind(made.get(), here.get(), here.length), 0);
    }).join();
    return made;
  }();
  EXPECT_EQ(inside([] { return send_to(AF_INET, SOCK_DGRAM, kAgent4, 7777); }, false), 0);
  char byte = 0;
  EXPECT_EQ(::recv(listener.get(), &byte, 1, 0), -1);  // a veth delivers at once
}

}  // namespace
}  // namespace gnomon::egress
