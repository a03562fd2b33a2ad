// The load on a shadow, on its thread: what is handed over to it, and when.

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "agent/protocol/http1/http1.h"
#include "agent/session/load.h"
#include "common/unique_fd.h"
#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

constexpr int kPatienceMs = 30'000;  // only ends a test that has failed

class LoadOnAListener : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to enter a network namespace";
    listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener_.get(), any, size), 0);
    ASSERT_EQ(::listen(listener_.get(), 64), 0);
    ASSERT_EQ(::getsockname(listener_.get(), any, &size), 0);
    const UniqueFd netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    auto load = Load::start(netns.get(), {.address = "127.0.0.1", .port = ntohs(address.sin_port)}, {}, 1);
    ASSERT_TRUE(load.ok()) << load.status();
    load_ = *std::move(load);
  }

  void offer(std::uint64_t conn_id) {
    load_->offer({{.conn_id = conn_id,
                   .arrival = std::chrono::steady_clock::now(),
                   .protocol = &protocol::http1(),
                   .bytes = std::make_shared<const std::string>("GET / HTTP/1.1\r\nHost: x\r\n\r\n")}});
  }

  // Waits for a further connection, asking the load for nothing.
  bool is_connected_to() {
    pollfd waiting{.fd = listener_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, kPatienceMs) == 1 && UniqueFd(::accept(listener_.get(), nullptr, nullptr)).valid();
  }

  UniqueFd listener_;
  std::unique_ptr<Load> load_;
};

TEST_F(LoadOnAListener, WhatWasHandedOverIsCountedByWhoeverAsksAfterwards) {
  for (std::uint64_t i = 1; i <= 3; ++i) {
    offer(i);
    offer(100 + i);
    std::uint64_t offered = 0;
    for (const replay::Reading& reading : load_->take()) offered += reading.counters.offered;
    EXPECT_EQ(offered, 2u);
  }
}

TEST_F(LoadOnAListener, SendsWhatIsHandedOverWhileItIsAtWorkAndAfterItHadNothingToDo) {
  for (std::uint64_t i = 1; i <= 5; ++i) {
    offer(i);
    offer(100 + i);  // the thread is awake, or about to be
    ASSERT_TRUE(is_connected_to());
    ASSERT_TRUE(is_connected_to());  // both are out: there is nothing left to hand over
  }
}

TEST_F(LoadOnAListener, ARequestBelongsToThePhaseInWhichItWasHandedOver) {
  load_->set_phase({.block = 1, .multiplicity = 0});
  offer(1);
  load_->set_phase({.block = 2, .multiplicity = 1});
  offer(2);
  const std::vector<replay::Reading> readings = load_->take();
  ASSERT_EQ(readings.size(), 2u);
  for (const replay::Reading& reading : readings) {
    EXPECT_EQ(reading.counters.offered, 1u);
    EXPECT_EQ(reading.counters.copies, reading.block == 2 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace gnomon::session
