// What comes out of each tap is what the clients sent, byte for byte.

#include <set>
#include <tuple>

#include "tests/bpf/loopback.h"
#include "tests/bpf/lossy_network.h"
#include "tests/bpf/messages.h"
#include "tests/bpf/tap_fixture.h"
#include "tests/bpf/uring.h"

namespace gnomon {
namespace {

using loopback::ReadCall;
using loopback::Service;
using messages::concatenated;
using messages::random_messages;

class Capture : public TapTest {
 protected:
  // Has `clients` clients at once send `count` random messages each, one of them of `largest` bytes, to a service that
  // takes them with `serve` from `listener`, and expects the streams to be exactly that.
  void expect_whole(Service::Serve serve, std::uint32_t clients, std::size_t count, std::size_t largest,
                    UniqueFd listener = loopback::bound_socket(htonl(INADDR_LOOPBACK))) {
    std::vector<std::vector<std::string>> sent;
    for (std::uint32_t i = 0; i < clients; ++i) sent.push_back(random_messages(i, count, largest));
    std::set<std::string> expected;
    std::size_t bytes = 0;
    for (const auto& texts : sent) bytes += expected.insert(concatenated(texts)).first->size();
    {
      Service service(std::move(serve), std::move(listener));
      watch(service.listener(), 1);
      service.start();
      std::vector<std::thread> threads;
      for (std::uint32_t i = 0; i < clients; ++i) {
        threads.emplace_back([&, i] { EXPECT_EQ(messages::run_client(service, sent[i], i), sent[i].size()); });
      }
      drain_until([&] { return recorder.closed == clients; });
      for (std::thread& thread : threads) thread.join();
    }
    std::set<std::string> captured;
    for (const auto& [conn_id, stream] : recorder.streams) {
      EXPECT_EQ(stream.end, tap::StreamEnd::kClosed);
      EXPECT_FALSE(stream.joined);
      EXPECT_TRUE(captured.insert(stream.bytes).second);
    }
    EXPECT_TRUE(captured == expected) << "streams differ from what was sent";
    EXPECT_EQ(counter(PROBE_CONNECTIONS), clients);
    EXPECT_EQ(counter(PROBE_SAMPLED), clients);
    EXPECT_EQ(counter(PROBE_BYTES), bytes);
    EXPECT_EQ(counter(PROBE_RING_FULL), 0u);
    EXPECT_EQ(counter(PROBE_UNREADABLE), 0u);
    EXPECT_EQ(assembler.broken_streams(), 0u);
    EXPECT_EQ(assembler.open_streams(), 0u);
  }

  // Of a service that the tap cannot follow: nothing is captured, and all of it is counted.
  void expect_counted(Service::Serve serve) {
    const std::vector<std::string> texts = random_messages(1, 6, 300'000);
    const std::size_t bytes = concatenated(texts).size();
    {
      Service service(std::move(serve));
      watch(service.listener(), 1);
      service.start();
      EXPECT_EQ(messages::run_client(service, texts, 1), texts.size());
    }
    drain_until([&] { return recorder.closed == 1; });
    EXPECT_EQ(counter(PROBE_OTHER_CALL), bytes);
    EXPECT_EQ(counter(PROBE_UNREADABLE), bytes);
    EXPECT_EQ(recorder.streams.begin()->second.bytes, "");
    EXPECT_EQ(recorder.streams.begin()->second.end, tap::StreamEnd::kBroken);
  }
};

struct Call {
  const char* name;
  ReadCall call;
};

void PrintTo(const Call& call, std::ostream* to) {
  *to << call.name;
}

class ReadCalls : public Capture, public ::testing::WithParamInterface<std::tuple<probe::TapDesign, Call>> {
 protected:
  void SetUp() override { design = std::get<0>(GetParam()); }
  ReadCall call() const { return std::get<1>(GetParam()).call; }
};

TEST_P(ReadCalls, EveryByteIsCapturedOnceAndInOrder) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const auto serve = [this](int fd) { messages::answer_messages(fd, call()); };
  if (design == probe::TapDesign::kReceiveCall && call() == ReadCall::kRecvmmsg) {
    expect_counted(serve);
    return;
  }
  expect_whole(serve, 6, 8, 1 << 20);
  if (design == probe::TapDesign::kPacketCopy) {
    EXPECT_EQ(counter(PROBE_PEEKED) > 0, call() == ReadCall::kPeekThenRecv);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ReadCalls,
    ::testing::Combine(::testing::ValuesIn(kTapDesigns),
                       ::testing::Values(Call{"recv", ReadCall::kRecv}, Call{"read", ReadCall::kRead},
                                         Call{"readv", ReadCall::kReadv}, Call{"recvmsg", ReadCall::kRecvmsg},
                                         Call{"recvmmsg", ReadCall::kRecvmmsg},
                                         Call{"MSG_PEEK", ReadCall::kPeekThenRecv},
                                         Call{"MSG_WAITALL", ReadCall::kWaitAll})),
    [](const auto& test) { return test_name(std::get<0>(test.param)) + "_" + std::get<1>(test.param).name; });

class EachCapture : public Capture, public ::testing::WithParamInterface<probe::TapDesign> {
 protected:
  void SetUp() override { design = GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(Design, EachCapture, ::testing::ValuesIn(kTapDesigns), design_of);

TEST_P(EachCapture, IoUringIsCapturedWholeOrCountedWhole) {
  load();
  if (IsSkipped() || HasFailure()) return;
  if (const int error = uring::Reader().error(); error != 0) GTEST_SKIP() << "no io_uring here: errno " << error;
  const auto serve = [](int fd) {
    uring::Reader reader;
    messages::answer_messages(fd,
                              [&](int from, char* data, std::size_t size) { return reader.read(from, data, size); });
  };
  if (design != probe::TapDesign::kReceiveCall) {
    expect_whole(serve, 4, 6, 300'000);
    return;
  }
  expect_counted(serve);
}

TEST_P(EachCapture, AnUploadOf64MebibytesIsWhole) {
  load(Bytes{128u << 20});
  if (IsSkipped() || HasFailure()) return;
  expect_whole([](int fd) { messages::answer_messages(fd, ReadCall::kRead); }, 1, 1, 64u << 20);
}

TEST_P(EachCapture, ThousandsOfConnectionsAreEachWhole) {
  load();
  if (IsSkipped() || HasFailure()) return;
  constexpr std::uint32_t kThreads = 8, kEach = 250;
  std::multiset<std::string> expected, captured;
  for (std::uint32_t i = 0; i < kThreads * kEach; ++i) expected.insert(concatenated(random_messages(i, 3, 400)));
  {
    Service service([](int fd) { messages::answer_messages(fd, ReadCall::kRecv); });
    watch(service.listener(), 1);
    service.start();
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (std::uint32_t i = t * kEach; i < (t + 1) * kEach; ++i)
          EXPECT_EQ(messages::run_client(service, random_messages(i, 3, 400), i), 3u);
      });
    }
    drain_until([&] { return recorder.closed == kThreads * kEach; });
    for (std::thread& thread : threads) thread.join();
  }
  for (const auto& [conn_id, stream] : recorder.streams) captured.insert(stream.bytes);
  EXPECT_TRUE(captured == expected);
  EXPECT_EQ(assembler.broken_streams(), 0u);
  EXPECT_EQ(counter(PROBE_CONNECTIONS), kThreads * kEach);
}

TEST_P(EachCapture, StreamsAreWholeWhenOnePacketInTwentyIsLost) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const LossyNetwork network;
  if (!network.problem().empty()) GTEST_SKIP() << network.problem();
  expect_whole([](int fd) { messages::answer_messages(fd, ReadCall::kRead); }, 6, 8, 1 << 18, network.listener());
  EXPECT_GT(network.retransmitted(), 0u);
}

}  // namespace
}  // namespace gnomon
