// What the guard refuses, counts and lets pass, and that it stays.

#include "tests/bpf/egress_fixture.h"

namespace gnomon::egress {
namespace {

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

// A connection of several paths begins as one of TCP; a socket of its kind is another for the kernel.
TEST_F(EgressGuard, MultipathTcpIsRefusedAsTcpIs) {
  if (!open_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP).valid()) GTEST_SKIP() << "the kernel has no MPTCP";
  ASSERT_NO_FATAL_FAILURE(start_guard());
  const auto connect = [](int family, const char* address, int flags) {
    const UniqueFd socket = open_socket(family, SOCK_STREAM | flags, IPPROTO_MPTCP);
    if (!socket.valid()) return errno;
    const Name to = name_of(address, 5432);
    return ::connect(socket.get(), to.get(), to.length) == 0 ? 0 : errno;
  };
  EXPECT_THAT(inside([&] { return connect(AF_INET, "10.0.3.7", 0); }), kRefused);
  EXPECT_THAT(inside([&] { return connect(AF_INET6, "fd00::7", 0); }), kRefused);
  EXPECT_EQ(count("10.0.3.7:5432", "tcp"), 1u);
  EXPECT_EQ(count("[fd00::7]:5432", "tcp"), 1u);
  // One that was handed in: its first packet ends at the link.
  EXPECT_EQ(inside([&] { return connect(AF_INET, "10.0.3.8", SOCK_NONBLOCK); }, false), EINPROGRESS);
  EXPECT_GE(count("10.0.3.8:5432", "tcp"), 1u);
}

// Only the first fragment says which port it is for; without it the others are worth nothing.
TEST_F(EgressGuard, DatagramsInFragmentsArriveNowhere) {
  constexpr int kLength = 4000;  // three packets
  ASSERT_EQ(run_in(agent_, "ip addr add 10.0.0.2/32 dev lo && ip -6 addr add fd00::2/128 dev lo nodad"), 0);
  UniqueFd receiver;
  std::thread([&] {
    ASSERT_EQ(::setns(agent_.get(), CLONE_NEWNET), 0);
    receiver = open_socket(AF_INET6, SOCK_DGRAM);  // of both families
    const Name any = name_of("::", 53);
    ASSERT_EQ(::bind(receiver.get(), any.get(), any.length), 0);
  }).join();
  const auto send = [](int family, const char* address) {
    const UniqueFd socket = open_socket(family, SOCK_DGRAM);
    const std::string bytes(kLength, 'x');
    const Name to = name_of(address, 53);
    return ::sendto(socket.get(), bytes.data(), bytes.size(), 0, to.get(), to.length) == kLength ? 0 : errno;
  };
  char buffer[2 * kLength];
  for (const auto& [family, address] : {std::pair{AF_INET, "10.0.0.2"}, {AF_INET6, "fd00::2"}}) {
    ASSERT_EQ(inside([&] { return send(family, address); }, false), 0);
    ASSERT_EQ(::recv(receiver.get(), buffer, sizeof buffer, 0), kLength) << "without the guard it arrives: " << address;
  }
  ASSERT_NO_FATAL_FAILURE(start_guard());
  for (const auto& [family, address] : {std::pair{AF_INET, "10.0.0.2"}, {AF_INET6, "fd00::2"}}) {
    EXPECT_THAT(inside([&] { return send(family, address); }), kRefused) << address;
    EXPECT_EQ(inside([&] { return send(family, address); }, false), 0) << address;
  }
  EXPECT_EQ(count("10.0.0.2:53", "udp"), 2u) << "one was refused, one ended at the link";
  EXPECT_LT(::recv(receiver.get(), buffer, sizeof buffer, MSG_DONTWAIT), 0) << "a datagram has come through";
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
