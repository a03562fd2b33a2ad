// What a shadow of a real service can reach, and what is told of what it wanted to.

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/shadow.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ShadowEgress : public EvalShadow {
 protected:
  void start_shadow(std::vector<egress::EgressRule> rules = {}) {
    Spec wanted = spec(MilliCpu{250}, Bytes{128u << 20});
    wanted.egress = std::move(rules);
    EvalShadow::start_shadow(wanted);
  }

  static egress::EgressRule rule(const std::string& to, std::uint16_t port, const std::string& redirect,
                                 std::uint16_t redirect_port) {
    egress::EgressRule made;
    made.network = document::parse_address(to).value();
    made.port = port;
    made.redirect = egress::SocketAddress{document::parse_address(redirect).value(), redirect_port};
    return made;
  }
};

TEST_F(ShadowEgress, IsDeniedAndCountedByDefault) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_THAT(shadow_->egress_attempts(), IsEmpty());  // answering is not reaching
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(inside("attempt(socket.create_connection, ('10.0.3.7', 5432), 2)"), "OSError 101");
  EXPECT_EQ(inside("attempt(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b'x', ('10.0.0.2', 53))"),
            "OSError 101");
  const auto attempts = shadow_->egress_attempts();
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts[0], (egress::Attempt{"10.0.3.7:5432", "tcp", "denied", 3}));
  EXPECT_EQ(attempts[1], (egress::Attempt{"10.0.0.2:53", "udp", "denied", 1}));
}

TEST_F(ShadowEgress, IsRedirectedWhereItsDescriptorSaysSo) {
  const std::uint16_t staging = free_port();
  const Service other({"/usr/bin/python3", files_.file("eval2.py", kEvalServer), "127.0.0.1", std::to_string(staging)},
                      "/");
  ASSERT_TRUE(wait_for_instance(staging).ok());
  ASSERT_NO_FATAL_FAILURE(start_shadow({rule("10.0.3.7", 80, "127.0.0.1", staging)}));
  EXPECT_EQ(inside("__import__('urllib.request').request.urlopen('http://10.0.3.7/eval?6*7', timeout=5).read()"),
            "b'42'");
  EXPECT_EQ(inside("(lambda s: s.getpeername())(socket.create_connection(('10.0.3.7', 80), 5))"), "('10.0.3.7', 80)");
  EXPECT_EQ(inside("attempt(socket.create_connection, ('10.0.3.8', 80), 2)"), "OSError 101");
  const auto attempts = shadow_->egress_attempts();
  EXPECT_THAT(attempts, Contains(egress::Attempt{"10.0.3.7:80", "tcp", "redirected", 2}));
  EXPECT_THAT(attempts, Contains(egress::Attempt{"10.0.3.8:80", "tcp", "denied", 1}));
}

TEST_F(ShadowEgress, NeitherItsNetworkNorItsNamespaceCanBeChangedFromInside) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  // RTM_NEWROUTE of a default route; opening another namespace and entering it; sockets below the network layer.
  EXPECT_EQ(inside("attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)"), "PermissionError 1");
  EXPECT_EQ(inside("attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)"), "PermissionError 1");
  EXPECT_THAT(inside("attempt(socket.socket, socket.AF_INET, socket.SOCK_DGRAM, 1)"), StartsWith("PermissionError"));
  EXPECT_EQ(inside("__import__('ctypes').CDLL(None).setns(os.open('/proc/1/ns/net', os.O_RDONLY), 0) "
                   "if os.access('/proc/1/ns/net', os.R_OK) else -1"),
            "-1");
  EXPECT_EQ(inside("(lambda s: (s.send(bytes.fromhex('1c000000180005060100000000000000') + "
                   "bytes([2,0,0,0,254,3,0,1,0,0,0,0])), __import__('struct').unpack('i', s.recv(4096)[16:20])[0])[1])"
                   "(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))"),
            "-1");
}

TEST_F(ShadowEgress, SocketsOfTheHostAreNotThere) {
  const std::string name = fmt::format("gnomon-test-{}", ::getpid());
  const UniqueFd host(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 2);  // abstract: its name begins with a zero
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  ASSERT_EQ(::bind(host.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(host.get(), 1), 0);
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside(fmt::format("attempt(socket.socket(socket.AF_UNIX).connect, chr(0) + '{}')", name)),
            "ConnectionRefusedError 111");
}

// Where the guard is, from the first instruction on.
TEST_F(ShadowEgress, EveryProcessOfItIsInTheGuardedCgroup) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const auto first = discovery::process_tree("/proc", shadow_->pid());
  ASSERT_GE(first.size(), 2u);
  const std::string line = discovery::read_file(fmt::format("/proc/{}/cgroup", first[1])).value_or("");
  if (line.find("0::/gnomon/") == std::string::npos)
    GTEST_SKIP() << "no cgroup v2 hierarchy: the link alone is guarded";
  for (const pid_t pid : first)
    EXPECT_THAT(discovery::read_file(fmt::format("/proc/{}/cgroup", pid)).value_or(""), HasSubstr("/s1\n"));
}

TEST_F(ShadowEgress, ARuleThatNeedsWhatIsMissingFailsTheStart) {
  std::vector<egress::EgressRule> rules(65, rule("10.0.3.7", 80, "127.0.0.1", 1));
  const auto shadow = runtime_->start(
      {.id = "s1", .instance = instance_, .cpu = MilliCpu{250}, .memory = Bytes{128u << 20}, .egress = rules});
  EXPECT_THAT(std::string(shadow.status().message()), HasSubstr("65 rules"));
}

}  // namespace
}  // namespace gnomon::shadow
