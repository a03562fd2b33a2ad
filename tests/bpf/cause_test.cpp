// Bytes that a service takes past the tap, told apart by how it takes them.

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include <set>

#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::Service;

constexpr std::size_t kBytes = 32768;

void wait_for_bytes(int fd, std::size_t count) {
  for (int waiting = 0; static_cast<std::size_t>(waiting) < count;) {
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&readable, 1, 30'000), 1) << "bytes are missing";
    ASSERT_EQ(::ioctl(fd, FIONREAD, &waiting), 0);
  }
}

// Ways of taking kBytes off a socket that holds them. Each returns how many went past the tap; 0: not possible here.
std::size_t splice_away(int fd) {
  int ends[2];
  if (::pipe(ends) != 0) loopback::fail("pipe");
  const UniqueFd out(ends[0]), in(ends[1]), null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::size_t all = 0;
  while (all < kBytes) {
    const ssize_t moved = ::splice(fd, nullptr, in.get(), nullptr, kBytes - all, 0);
    if (moved <= 0) loopback::fail("splice");
    all += static_cast<std::size_t>(moved);
    ::splice(out.get(), nullptr, null.get(), nullptr, static_cast<std::size_t>(moved), 0);
  }
  return all;
}

std::size_t send_away(int fd) {
  int ends[2];
  if (::pipe(ends) != 0) loopback::fail("pipe");
  const UniqueFd out(ends[0]), in(ends[1]);
  ::fcntl(in.get(), F_SETPIPE_SZ, 1 << 20);
  const ssize_t moved = ::sendfile(in.get(), fd, nullptr, kBytes);
  return moved > 0 ? static_cast<std::size_t>(moved) : 0;
}

std::size_t discard_with_recv(int fd) {
  return static_cast<std::size_t>(::recv(fd, nullptr, kBytes, MSG_TRUNC | MSG_WAITALL));
}

std::size_t discard_with_recvmsg(int fd) {
  std::string unused(kBytes, '\0');
  iovec part{unused.data(), unused.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return static_cast<std::size_t>(::recvmsg(fd, &message, MSG_TRUNC | MSG_WAITALL));
}

std::size_t map(int fd) {
  void* const place = ::mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, fd, 0);
  if (place == MAP_FAILED) return 0;
  tcp_zerocopy_receive receive{};
  receive.address = reinterpret_cast<std::uintptr_t>(place);
  receive.length = kBytes;
  socklen_t size = sizeof(receive);
  const int result = ::getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive, &size);
  ::munmap(place, kBytes);
  return result == 0 ? receive.length : 0;
}

struct Way {
  const char* name;
  std::size_t (*take)(int fd);
  probe_counter cause;
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << way.name;
}

class CauseOfLoss : public TapTest, public ::testing::WithParamInterface<Way> {
 protected:
  // A connection on which the service takes kBytes in the way, and then "rest". Returns how many went past the tap.
  std::size_t run() {
    std::atomic<std::size_t> past = 0;
    const std::size_t closed = recorder.closed + 1;
    {
      Service service([&](int fd) {
        wait_for_bytes(fd, kBytes);
        past = GetParam().take(fd);
        while (!loopback::receive(fd, 4096).empty()) continue;
      });
      watch(service.listener(), 1);
      service.start();
      const UniqueFd client = service.connect();
      const int on = 1;
      ::setsockopt(client.get(), SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
      send_pages(client.get());
      ::shutdown(client.get(), SHUT_WR);
      EXPECT_EQ(loopback::receive(client.get(), 1), "");
    }
    drain_until([&] { return recorder.closed == closed; });
    return past;
  }

 private:
  // Only whole pages can be mapped by the receiver: with MSG_ZEROCOPY each of ours becomes one of its.
  static void send_pages(int fd) {
    void* const pages = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(pages, MAP_FAILED);
    std::fill_n(static_cast<char*>(pages), kBytes, 'x');
    ASSERT_EQ(::send(fd, pages, kBytes, MSG_NOSIGNAL | MSG_ZEROCOPY), static_cast<ssize_t>(kBytes));
    ::munmap(pages, kBytes);
  }
};

TEST_P(CauseOfLoss, IsCountedByItselfFromTheFirstOnThatIsFound) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const std::size_t first = run();
  if (first == 0) GTEST_SKIP() << "no bytes can be taken with " << GetParam().name << " on this kernel";
  // A tap that sees the call's flags knows at once. Else it would cost the whole machine to look before a loss.
  const bool at_once = GetParam().cause == PROBE_DISCARDED && probe->tried().design() != probe::TapDesign::kPacketCopy;
  // A tap that sees a read when it is over trusts nothing behind bytes that it has missed, until it knows their cause.
  const std::size_t unreadable = probe->tried().design() == probe::TapDesign::kPacketCopy ? first : kBytes;
  EXPECT_EQ(counter(PROBE_UNREADABLE), unreadable);
  EXPECT_EQ(counter(GetParam().cause), at_once ? first : 0u);
  const std::size_t second = run();
  EXPECT_EQ(counter(PROBE_UNREADABLE), unreadable + second);
  for (const probe_counter cause : {PROBE_SPLICED, PROBE_ZERO_COPIED, PROBE_DISCARDED})
    EXPECT_EQ(counter(cause), cause != GetParam().cause ? 0u : at_once ? first + second : second) << cause;
  EXPECT_EQ(counter(PROBE_BYTES), 2 * kBytes);
  EXPECT_EQ(counter(PROBE_HOLES), 2u);
  EXPECT_EQ(assembler.broken_streams(), 2u);
}

INSTANTIATE_TEST_SUITE_P(All, CauseOfLoss,
                         ::testing::Values(Way{"splice", splice_away, PROBE_SPLICED},
                                           Way{"sendfile", send_away, PROBE_SPLICED},
                                           Way{"recv_MSG_TRUNC", discard_with_recv, PROBE_DISCARDED},
                                           Way{"recvmsg_MSG_TRUNC", discard_with_recvmsg, PROBE_DISCARDED},
                                           Way{"TCP_ZEROCOPY_RECEIVE", map, PROBE_ZERO_COPIED}),
                         [](const auto& way) { return std::string(way.param.name); });

TEST_F(TapTest, ALongConnectionThatIsOnlySplicedIsFoundBeforeItEnds) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service([](int fd) {
      for (int i = 0; i < 3; ++i) {
        wait_for_bytes(fd, kBytes);
        splice_away(fd);
        loopback::send_all(fd, "done");
      }
      EXPECT_EQ(loopback::receive(fd, 1), "");
    });
    watch(service.listener(), 1);
    service.start();
    const UniqueFd client = service.connect();
    for (int i = 0; i < 3; ++i) {
      loopback::send_all(client.get(), std::string(kBytes, 'x'));
      ASSERT_EQ(loopback::receive(client.get(), 4), "done");
      drain();  // what is found meanwhile is looked into from here on
    }
    EXPECT_EQ(counter(PROBE_UNREADABLE), 3 * kBytes);
    EXPECT_GT(counter(PROBE_SPLICED), 0u);
  }
  drain_until([&] { return recorder.closed == 1; });
}

// The taps that see a read only when it is over see a splice first.
class LaterTap : public EachTap {};

INSTANTIATE_TEST_SUITE_P(Design, LaterTap,
                         ::testing::Values(probe::TapDesign::kReceiveReturn, probe::TapDesign::kReceiveCall),
                         design_of);

TEST_P(LaterTap, GoesOnBehindSplicedBytesOnceItKnowsOfThem) {
  load();
  if (IsSkipped() || HasFailure()) return;
  for (const std::size_t connection : {1u, 2u}) {
    {
      Service service([](int fd) {
        wait_for_bytes(fd, kBytes);
        splice_away(fd);
        loopback::send_all(fd, "done");
        EXPECT_EQ(loopback::receive(fd, 4), "rest");
      });
      watch(service.listener(), 1);
      service.start();
      const UniqueFd client = service.connect();
      loopback::send_all(client.get(), std::string(kBytes, 'x'));
      EXPECT_EQ(loopback::receive(client.get(), 4), "done");
      loopback::send_all(client.get(), "rest");
      ::shutdown(client.get(), SHUT_WR);
      EXPECT_EQ(loopback::receive(client.get(), 1), "");
    }
    drain_until([&] { return recorder.closed == connection; });
  }
  EXPECT_EQ(counter(PROBE_SPLICED), kBytes);
  EXPECT_EQ(counter(PROBE_UNREADABLE), 2 * kBytes + 4);  // of the first connection nothing could be trusted
  std::set<std::string> captured;
  for (const auto& [conn_id, stream] : recorder.streams) captured.insert(stream.bytes);
  EXPECT_EQ(captured, (std::set<std::string>{"", "rest"}));
  EXPECT_EQ(assembler.broken_streams(), 2u);
}

}  // namespace
}  // namespace gnomon
