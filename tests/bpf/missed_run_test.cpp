// The kernel runs no program that it has interrupted on the same processor. What the probe then misses of a
// connection's life it makes up for. A missed run is made by taking the mark away from a socket, or giving it one, by
// hand.

#include <bpf/bpf.h>

#include <string_view>

#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

class MissedRun : public TapTest {
 protected:
  void SetUp() override {
    load();
    if (!IsSkipped()) sockets = newest_map("sockets");
  }

  static UniqueFd newest_map(std::string_view name) {
    UniqueFd newest;
    for (__u32 id = 0; bpf_map_get_next_id(id, &id) == 0;) {
      UniqueFd map(bpf_map_get_fd_by_id(id));
      bpf_map_info info{};
      __u32 size = sizeof(info);
      if (map.valid() && bpf_obj_get_info_by_fd(map.get(), &info, &size) == 0 && name == info.name)
        newest = std::move(map);
    }
    return newest;
  }

  probe_socket mark_of(int fd) const {
    probe_socket mark{};
    EXPECT_EQ(bpf_map_lookup_elem(sockets.get(), &fd, &mark), 0);
    return mark;
  }
  void set_mark(int fd, const probe_socket& mark) const {
    EXPECT_EQ(bpf_map_update_elem(sockets.get(), &fd, &mark, BPF_ANY), 0);
  }
  void take_mark_off(int fd) const { EXPECT_EQ(bpf_map_delete_elem(sockets.get(), &fd), 0); }

  UniqueFd accept() const { return UniqueFd(::accept4(service.listener(), nullptr, nullptr, SOCK_CLOEXEC)); }

  const loopback::Service service{[](int) {}};  // accepts nothing by itself
  UniqueFd sockets;
};

TEST_F(MissedRun, OfABeginIsMadeUpForWhenTheFirstRequestComes) {
  const UniqueFd client = service.connect(), accepted = accept();
  watch(service.listener(), 1);
  set_mark(accepted.get(), mark_of(service.listener()));  // as the kernel does when it makes the socket
  loopback::send_all(client.get(), "request");
  EXPECT_EQ(loopback::receive(accepted.get(), 7), "request");
  loopback::send_all(accepted.get(), "response");
  drain_until([&] { return !recorder.streams.empty() && recorder.streams.begin()->second.bytes == "request"; });
  EXPECT_FALSE(recorder.streams.begin()->second.joined);
  EXPECT_EQ(counter(PROBE_CONNECTIONS), 1u);
  EXPECT_EQ(counter(PROBE_SAMPLED), 1u);
  EXPECT_EQ(counter(PROBE_REQUESTS), 1u);
  EXPECT_EQ(counter(PROBE_UNREADABLE), 0u);
}

TEST_F(MissedRun, OfABeginCountsWhatWasReadUntilThen) {
  const UniqueFd client = service.connect(), accepted = accept();
  loopback::send_all(client.get(), "early");
  EXPECT_EQ(loopback::receive(accepted.get(), 5), "early");
  watch(service.listener(), 1);
  set_mark(accepted.get(), mark_of(service.listener()));
  loopback::send_all(client.get(), "request");
  EXPECT_EQ(loopback::receive(accepted.get(), 7), "request");
  drain_until([&] { return !recorder.streams.empty() && recorder.streams.begin()->second.bytes == "request"; });
  EXPECT_TRUE(recorder.streams.begin()->second.joined);
  EXPECT_EQ(counter(PROBE_BYTES), 12u);
  EXPECT_EQ(counter(PROBE_UNREADABLE), 5u);
}

TEST_F(MissedRun, OfAnEndIsMadeUpForWhenTheSocketGoes) {
  watch(service.listener(), 1);
  UniqueFd client = service.connect(), accepted = accept();
  loopback::send_all(client.get(), "request");
  EXPECT_EQ(loopback::receive(accepted.get(), 7), "request");
  drain_until([&] { return !recorder.streams.empty() && recorder.streams.begin()->second.bytes == "request"; });
  const probe_socket mark = mark_of(accepted.get());
  take_mark_off(accepted.get());
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  client.reset();
  char byte = 0;
  ASSERT_EQ(::recv(accepted.get(), &byte, 1, 0), -1);
  ASSERT_EQ(errno, ECONNRESET);
  set_mark(accepted.get(), mark);
  drain();
  ASSERT_EQ(recorder.closed, 0u);
  accepted.reset();
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_EQ(recorder.streams.begin()->second.end, tap::StreamEnd::kClosed);
}

}  // namespace
}  // namespace gnomon
