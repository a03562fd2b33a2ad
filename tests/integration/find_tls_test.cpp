// Whether a service speaks TLS is asked of its shadow, which may answer, wait for more, or never say anything.

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "agent/session/tls.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

class FindTls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to enter a network namespace";
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(::listen(listener_.get(), 4), 0);
    ASSERT_EQ(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    target_ = {.address = "127.0.0.1", .port = ntohs(address.sin_port), .client = {}};
  }

  // This process has a TLS library: so it is asked.
  absl::StatusOr<Tls> ask() {
    const UniqueFd network(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    return find_tls("/proc", ::getpid(), network.get(), target_, stop_.get());
  }

  UniqueFd listener_;
  const UniqueFd stop_{::eventfd(0, EFD_CLOEXEC)};
  replay::Target target_;
};

TEST_F(FindTls, HasAServiceThatReadsLinesAnswerWithoutEndingTheConnection) {
  bool ended = false;
  std::thread service([&] {
    const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));
    std::string heard;
    char buffer[512];
    while (heard.find("\r\n") == std::string::npos && !ended) {
      const ssize_t length = ::recv(connection.get(), buffer, sizeof buffer, 0);
      ended = length <= 0;
      if (!ended) heard.append(buffer, static_cast<std::size_t>(length));
    }
    const std::string answer = "-ERR unknown command\r\n";
    (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
  });
  const auto found = ask();
  service.join();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_FALSE(found->spoken);
  EXPECT_FALSE(ended) << "it was only heard when the connection was ended";
}

TEST_F(FindTls, IsGivenUpWhenTheSessionEnds) {
  ::eventfd_write(stop_.get(), 1);
  EXPECT_TRUE(absl::IsCancelled(ask().status())) << "nobody answers here";
}

}  // namespace
}  // namespace gnomon::session
