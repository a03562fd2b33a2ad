#pragma once
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

using ::testing::AnyOf;
using ::testing::Contains;

inline constexpr char kAgent4[] = "169.254.77.1", kAgent6[] = "fd6e:676e:6f6d::1";

inline IpAddress ip(const std::string& text) {
  return document::parse_address(text).value();
}

struct Name {  // of a socket
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

inline Name name_of(const std::string& address, std::uint16_t port) {
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

inline std::uint16_t port_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length), 0);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);  // of IPv6 at the same place
}

inline UniqueFd open_socket(int family, int type, int protocol = 0) {
  UniqueFd socket(::socket(family, type | SOCK_CLOEXEC, protocol));
  if (!socket.valid()) return socket;  // errno tells why
  const timeval patience{5, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return socket;
}

// errno's value, or 0.
inline int connect_to(int family, int type, const std::string& address, std::uint16_t port) {
  const UniqueFd socket = open_socket(family, type);
  if (!socket.valid()) return errno;
  const Name to = name_of(address, port);
  return ::connect(socket.get(), to.get(), to.length) == 0 ? 0 : errno;
}

inline int send_to(int family, int type, const std::string& address, std::uint16_t port, int flags = 0) {
  const UniqueFd socket = open_socket(family, type);
  if (!socket.valid()) return errno;
  const Name to = name_of(address, port);
  return ::sendto(socket.get(), "x", 1, flags, to.get(), to.length) == 1 ? 0 : errno;
}

// What was asked for, as the socket is told; "" if it is not connected.
inline std::string peer_of(int socket) {
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
inline std::string v2_root() {
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
inline const auto kRefused = AnyOf(ENETUNREACH, EPERM);

}  // namespace gnomon::egress
