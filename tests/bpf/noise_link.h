#pragma once
// Two network namespaces of the test and a link between them, as a shadow and its replayer have; a service in the one,
// its clients in the other. Gone with the test.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/noise/packets.h"
#include "agent/noise/shaper.h"
#include "agent/shadow/namespaces.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

namespace gnomon::noise {

class NoiseLink : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 8080;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    auto service = shadow::new_network_namespace();
    auto client = shadow::new_network_namespace();
    ASSERT_TRUE(service.ok() && client.ok()) << service.status() << client.status();
    service_ = *std::move(service);
    client_ = *std::move(client);
    const std::string peer = fmt::format("/proc/{}/fd/{}", ::getpid(), service_.get());
    in(client_, "ip link add replay0 type veth peer name shadow0 netns " + peer);
    in(client_, "ip link set lo up; ip address add 10.9.0.1/30 dev replay0; ip link set replay0 up");
    in(client_, "ip address add fd09::1/64 dev replay0 nodad");
    in(service_, "ip link set lo up; ip address add 10.9.0.2/30 dev shadow0; ip link set shadow0 up");
    in(service_, "ip address add fd09::2/64 dev shadow0 nodad");
    auto packets = Packets::load(kPort);
    ASSERT_TRUE(packets.ok()) << packets.status();
    packets_ = *std::move(packets);
    attach(client_, {"replay0", false});
    attach(service_, {"shadow0", true});
    if (HasFatalFailure() || HasNonfatalFailure()) return;
    listener_ = in_namespace(service_, [] {
      const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const int off = 0;
      ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
      sockaddr_in6 any{};
      any.sin6_family = AF_INET6;
      any.sin6_port = htons(kPort);
      EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
      EXPECT_EQ(::listen(fd, 1024), 0);
      return fd;
    });
  }

  void attach(const UniqueFd& where, const Hook& hook) {
    const absl::Status attached = shadow::run_inside(where.get(), CLONE_NEWNET, [&] { return packets_->attach(hook); });
    EXPECT_TRUE(attached.ok()) << attached;
  }

  static void in(const UniqueFd& where, const std::string& commands) {
    const absl::Status ran = shadow::run_inside(where.get(), CLONE_NEWNET, [&] {
      return std::system(("export PATH=$PATH:/usr/sbin:/sbin; " + commands).c_str()) == 0  // NOLINT
                 ? absl::OkStatus()
                 : absl::InternalError(commands);
    });
    ASSERT_TRUE(ran.ok()) << ran;
  }

  static UniqueFd in_namespace(const UniqueFd& where, const std::function<int()>& make) {
    UniqueFd made;
    EXPECT_TRUE(shadow::run_inside(where.get(), CLONE_NEWNET, [&] {
                  made.reset(make());
                  return absl::OkStatus();
                }).ok());
    return made;
  }

  // A connected client, or errno's value, negative.
  int connect(bool v6 = false) const {
    int result = 0;
    EXPECT_TRUE(shadow::run_inside(client_.get(), CLONE_NEWNET, [&] {
                  const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                  sockaddr_in to4{};
                  to4.sin_family = AF_INET;
                  to4.sin_port = htons(kPort);
                  ::inet_pton(AF_INET, "10.9.0.2", &to4.sin_addr);
                  sockaddr_in6 to6{};
                  to6.sin6_family = AF_INET6;
                  to6.sin6_port = htons(kPort);
                  ::inet_pton(AF_INET6, "fd09::2", &to6.sin6_addr);
                  const int failed = v6 ? ::connect(fd, reinterpret_cast<sockaddr*>(&to6), sizeof to6)
                                        : ::connect(fd, reinterpret_cast<sockaddr*>(&to4), sizeof to4);
                  result = failed == 0 ? fd : -errno;
                  if (failed != 0) ::close(fd);
                  return absl::OkStatus();
                }).ok());
    return result;
  }

  // One client and its end in the service.
  struct Pair {
    UniqueFd client, service;
  };
  Pair connected() const {
    Pair pair{UniqueFd(connect()), {}};
    pair.service.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return pair;
  }

  // `times` small responses to as many requests, one after the other; false if one did not come whole.
  static bool converse(const Pair& pair, int times, std::size_t response = 1) {
    std::vector<char> data(response, 'x');
    for (int i = 0; i < times; ++i) {
      char request = 'r';
      if (::send(pair.client.get(), &request, 1, MSG_NOSIGNAL) != 1 ||
          ::recv(pair.service.get(), &request, 1, MSG_WAITALL) != 1)
        return false;
      std::thread answer([&] {
        for (std::size_t sent = 0; sent < response;) {
          const ssize_t n = ::send(pair.service.get(), data.data() + sent, response - sent, MSG_NOSIGNAL);
          if (n <= 0) return;
          sent += static_cast<std::size_t>(n);
        }
      });
      std::vector<char> got(response);
      const ssize_t read = ::recv(pair.client.get(), got.data(), response, MSG_WAITALL);
      answer.join();
      if (read != static_cast<ssize_t>(response) || got != data) return false;
    }
    return true;
  }

  noise_counters counted() const { return packets_->read().value(); }

  UniqueFd service_, client_, listener_;
  std::unique_ptr<Packets> packets_;
};

// Whether the binomial gives `events` among `trials` with that share, but for once in a million.
inline void expect_share(std::uint64_t events, std::uint64_t trials, double share) {
  const auto n = static_cast<double>(trials);
  EXPECT_NEAR(static_cast<double>(events), n * share, 5 * std::sqrt(n * share * (1 - share))) << "of " << trials;
}

}  // namespace gnomon::noise
