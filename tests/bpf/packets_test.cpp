// A service that takes bytes without having them copied is captured from its packets, once that is known.

#include <fcntl.h>

#include <set>

#include "tests/bpf/loopback.h"
#include "tests/bpf/lossy_network.h"
#include "tests/bpf/messages.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::Service;
using messages::concatenated;
using messages::random_messages;

// Up to `size` bytes through a pipe: they pass the service's memory only behind it.
std::size_t splice_through(int fd, char* data, std::size_t size) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) loopback::fail("pipe");
  const UniqueFd out(ends[0]), in(ends[1]);
  const ssize_t moved = ::splice(fd, nullptr, in.get(), nullptr, std::min<std::size_t>(size, 32768), 0);
  if (moved < 0) loopback::fail("splice");
  std::size_t have = 0;
  while (have < static_cast<std::size_t>(moved)) {
    const ssize_t got = ::read(out.get(), data + have, static_cast<std::size_t>(moved) - have);
    if (got <= 0) loopback::fail("read");
    have += static_cast<std::size_t>(got);
  }
  return have;
}

void serve_by_splicing(int fd) {
  messages::answer_messages(fd, splice_through);
}

class Packets : public TapTest {
 protected:
  void load() {
    TapTest::load();
    if (IsSkipped() || HasFailure()) return;
    if (probe::first_that_loads(probe->tried().packets) == nullptr)
      GNOMON_SKIP_WITHOUT("packets", "tap_packet does not load: what is spliced is counted, not captured");
  }

  void begin(Service& service) {
    watch(service.listener(), 1);
    service.start();
  }

  // Sends a message and takes the reply.
  static void ask(const UniqueFd& client, const std::string& body) {
    loopback::send_all(client.get(), messages::message(body));
    EXPECT_EQ(loopback::receive(client.get(), messages::kReply.size()), messages::kReply);
  }

  // Has connections spliced until the probe captures packets: the first tells that bytes go past the tap, the second
  // how.
  void teach(const Service& service) {
    for (std::size_t known = 1; known <= 2; ++known) {
      EXPECT_EQ(messages::run_client(service, random_messages(1000, 1, 100), 1), 1u);
      drain_until([&] { return recorder.closed == known; });
      drain();
    }
    EXPECT_GT(counter(PROBE_SPLICED), 0u);
    recorder.streams.clear();
    recorder.closed = 0;
    unreadable_ = counter(PROBE_UNREADABLE);
    bytes_ = counter(PROBE_BYTES);
    broken_ = assembler.broken_streams();
  }

  // Has clients send to `service` at once. Returns what each sent.
  std::set<std::string> run_clients(const Service& service, std::uint32_t clients, std::size_t largest) {
    std::set<std::string> sent;
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < clients; ++i) {
      const std::vector<std::string> texts = random_messages(i, 8, largest);
      sent.insert(concatenated(texts));
      threads.emplace_back([&service, texts, i] { EXPECT_EQ(messages::run_client(service, texts, i), texts.size()); });
    }
    drain_until([&] { return recorder.closed == clients; });
    for (std::thread& thread : threads) thread.join();
    return sent;
  }

  std::uint64_t unreadable_ = 0, bytes_ = 0, broken_ = 0;  // before packets were captured
};

TEST_F(Packets, WhatIsSplicedIsCapturedByteForByte) {
  load();
  if (IsSkipped() || HasFailure()) return;
  std::set<std::string> sent, captured;
  {
    Service service(serve_by_splicing);
    begin(service);
    teach(service);
    sent = run_clients(service, 6, 1 << 20);
  }
  std::size_t bytes = 0;
  for (const auto& [id, stream] : recorder.streams) captured.insert(stream.bytes);
  for (const std::string& text : sent) bytes += text.size();
  EXPECT_TRUE(captured == sent) << "streams differ from what was sent";
  EXPECT_EQ(counter(PROBE_BYTES) - bytes_, bytes);
  EXPECT_EQ(counter(PROBE_UNREADABLE), unreadable_);
  EXPECT_EQ(assembler.broken_streams(), broken_);
  EXPECT_EQ(assembler.missing_bytes(), 0u);
}

TEST_F(Packets, MessagesBehindAResponseSaySo) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service(serve_by_splicing);
    begin(service);
    teach(service);
    const UniqueFd client = service.connect();
    for (const char* body : {"one", "another", "last"}) ask(client, body);
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_THAT(recorder.streams.begin()->second.after_send_at, ::testing::ElementsAre(7u, 18u));
}

TEST_F(Packets, WhatArrivesInAPauseIsPassedOver) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const std::string large(100'000, 'x');
  {
    Service service(serve_by_splicing);
    begin(service);
    teach(service);
    const UniqueFd client = service.connect();
    ask(client, "one");
    ASSERT_TRUE(probe->set_paused(slot, true).ok());
    ask(client, large);
    ask(client, large);
    ASSERT_TRUE(probe->set_paused(slot, false).ok());
    ask(client, "another");
    ask(client, "last");
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_EQ(stream.bytes, messages::message("one") + messages::message("another") + messages::message("last"));
  EXPECT_THAT(stream.pauses, ::testing::ElementsAre(7u));
  EXPECT_THAT(stream.holes, ::testing::IsEmpty());
  EXPECT_EQ(counter(PROBE_PAUSED), 2 * messages::message(large).size());
  EXPECT_EQ(counter(PROBE_BYTES) - bytes_, stream.bytes.size());
  EXPECT_EQ(assembler.broken_streams(), broken_);
  EXPECT_EQ(assembler.missing_bytes(), 0u);
}

// A connection of a pool may be open for days.
TEST_F(Packets, AConnectionThatIsOpenIsGoneOnWithBehindAHole) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service(serve_by_splicing);
    begin(service);
    const UniqueFd client = service.connect();
    for (int i = 0; i < 6; ++i) {
      ask(client, "number " + std::to_string(i));
      drain();
    }
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_THAT(stream.bytes, ::testing::EndsWith(messages::message("number 4") + messages::message("number 5")));
  EXPECT_THAT(stream.holes, ::testing::ElementsAre(0u));
  EXPECT_EQ(counter(PROBE_BYTES), 6 * messages::message("number 0").size());
  EXPECT_EQ(counter(PROBE_UNREADABLE) + stream.bytes.size(), counter(PROBE_BYTES));
}

// What is lost on the way comes again, out of order. One loss is not made good: a first segment that comes before the
// handshake's lost end comes to no socket.
TEST_F(Packets, StreamsAreWholeOrSayThatTheyAreNotWhenOnePacketInTwentyIsLost) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const LossyNetwork network;
  if (!network.problem().empty()) GTEST_SKIP() << network.problem();
  constexpr std::uint32_t kClients = 12;
  std::set<std::string> sent;
  {
    Service service(serve_by_splicing, network.listener());
    begin(service);
    teach(service);
    sent = run_clients(service, kClients, 1 << 18);
  }
  std::size_t whole = 0;
  for (const auto& [id, stream] : recorder.streams) {
    if (stream.holes.empty() && stream.end == tap::StreamEnd::kClosed) {
      EXPECT_EQ(sent.count(stream.bytes), 1u) << "a stream that is said to be whole is not";
      ++whole;
    }
  }
  EXPECT_GT(network.retransmitted(), 0u);
  EXPECT_EQ(recorder.streams.size(), kClients);
  EXPECT_EQ(kClients - whole, assembler.broken_streams() - broken_);
  // How many depends on the machine: a packet that is lost twice comes after two timeouts of TCP, which grow with how
  // slow all is (emulation), and the reader waits for it for two seconds.
  EXPECT_GT(whole, 0u);
}

TEST_F(Packets, OfAnotherSlotAreNotCaptured) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service(serve_by_splicing);
    begin(service);
    teach(service);
    probe->release_slot(slot);
    EXPECT_EQ(messages::run_client(service, random_messages(1, 2, 100), 1), 2u);
  }
  slot = probe->take_slot().value();
  EXPECT_EQ(drain(), 0u);
  {
    Service service([](int fd) { messages::answer_messages(fd, loopback::ReadCall::kRead); });
    begin(service);
    run_clients(service, 2, 1 << 16);
  }
  EXPECT_EQ(counter(PROBE_UNREADABLE), 0u);
  EXPECT_EQ(assembler.missing_bytes(), 0u);
}

}  // namespace
}  // namespace gnomon
