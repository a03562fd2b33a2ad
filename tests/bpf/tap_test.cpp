// Capture through the real kernel: losses, holes, joins and slots, with every tap that loads.

#include <fcntl.h>

#include <condition_variable>
#include <set>

#include "tests/bpf/loopback.h"
#include "tests/bpf/messages.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::ReadCall;
using loopback::Service;
using messages::answer_messages;
using messages::concatenated;
using messages::kReply;
using messages::message;
using messages::random_messages;
using messages::run_client;

using Taps = EachTap;

INSTANTIATE_TEST_SUITE_P(Design, Taps, ::testing::ValuesIn(kTapDesigns), design_of);

TEST_P(Taps, BytesAfterASendSaySo) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service([](int fd) { answer_messages(fd, ReadCall::kWaitAll); });
    watch(service.listener(), 1);
    service.start();
    EXPECT_EQ(run_client(service, {message("a"), message("b")}, 1), 2u);
  }
  drain_until([&] { return recorder.closed == 1; });
  // Length and body are read apart; only the second message's length follows a reply.
  EXPECT_EQ(recorder.streams.begin()->second.after_send, (std::vector<bool>{false, false, true, false}));
}

TEST_P(Taps, RequestsThatWaitInTheBacklogAreCapturedWhole) {
  load();
  if (IsSkipped() || HasFailure()) return;
  constexpr std::uint32_t kClients = 200;
  std::set<std::string> expected;
  {
    Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
    watch(service.listener(), 1);
    std::vector<UniqueFd> clients;
    for (std::uint32_t i = 0; i < kClients; ++i) {
      const std::string text = concatenated(random_messages(i, 1, 100));
      clients.push_back(service.connect());
      loopback::send_all(clients.back().get(), text);
      ::shutdown(clients.back().get(), SHUT_WR);
      expected.insert(text);
    }
    service.start();
    for (const UniqueFd& client : clients) EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
  }
  drain_until([&] { return recorder.closed == kClients; });
  std::set<std::string> captured;
  for (const auto& [conn_id, stream] : recorder.streams) captured.insert(stream.bytes);
  EXPECT_TRUE(captured == expected);
  EXPECT_EQ(recorder.streams.size(), kClients);
  EXPECT_EQ(assembler.broken_streams(), 0u);
}

TEST_P(Taps, TheSampledFractionDecidesHowManyConnectionsAreCaptured) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
  service.start();
  const auto sampled_of_200 = [&](double fraction) {
    watch(service.listener(), fraction);
    const std::uint64_t before = counter(PROBE_SAMPLED);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(run_client(service, {message("x")}, 1), 1u);
    return counter(PROBE_SAMPLED) - before;
  };
  EXPECT_EQ(sampled_of_200(0), 0u);
  EXPECT_EQ(counter(PROBE_RECORDS), 0u);
  EXPECT_EQ(sampled_of_200(1), 200u);
  const std::uint64_t half = sampled_of_200(0.5);
  EXPECT_GT(half, 50u);  // 7 standard deviations from 100
  EXPECT_LT(half, 150u);
  EXPECT_EQ(counter(PROBE_CONNECTIONS), 600u);
}

TEST_P(Taps, AFullRingLosesRecordsCountsThemAndTheirStreamsSaySo) {
  load(Bytes{64 << 10});
  if (IsSkipped() || HasFailure()) return;
  constexpr std::uint32_t kClients = 12;
  std::vector<std::string> expected;
  {
    Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
    watch(service.listener(), 1);
    service.start();
    for (std::uint32_t i = 0; i < kClients; ++i) {  // nothing reads the ring meanwhile; the service must not notice
      const std::vector<std::string> messages = random_messages(i, 6, 6000);
      EXPECT_EQ(run_client(service, messages, i), messages.size());
      expected.push_back(concatenated(messages));
    }
  }
  drain_until([&] { return recorder.closed == kClients; });
  EXPECT_GT(counter(PROBE_RING_FULL), 0u);
  std::uint64_t delivered = 0, whole = 0;
  for (const auto& [conn_id, stream] : recorder.streams) {
    delivered += stream.bytes.size();
    const auto source = std::find_if(expected.begin(), expected.end(), [&stream = stream](const std::string& text) {
      return text.compare(0, stream.bytes.size(), stream.bytes) == 0;
    });
    ASSERT_NE(source, expected.end()) << "a stream that no client sent";
    EXPECT_EQ(stream.end == tap::StreamEnd::kClosed, stream.bytes == *source);
    whole += stream.end == tap::StreamEnd::kClosed;
  }
  EXPECT_GT(whole, 0u);
  EXPECT_LT(whole, kClients);
  EXPECT_EQ(assembler.broken_streams(), kClients - whole);
  EXPECT_EQ(assembler.open_streams(), 0u);
  EXPECT_EQ(counter(PROBE_BYTES), concatenated(expected).size());
  EXPECT_EQ(counter(PROBE_BYTES),
            delivered + counter(PROBE_RING_FULL_BYTES) + counter(PROBE_UNREADABLE) + counter(PROBE_SKIPPED_BYTES));
}

TEST_P(Taps, AStreamResumesWhenTheRingHasRoomAgainAndTellsTheHole) {
  load(Bytes{64 << 10});
  if (IsSkipped() || HasFailure()) return;
  const std::vector<std::string> before = random_messages(1, 40, 6000), after = random_messages(2, 3, 6000);
  {
    Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
    watch(service.listener(), 1);
    service.start();
    const UniqueFd client = service.connect();
    const auto ask = [&](const std::string& text) {
      loopback::send_all(client.get(), text);
      EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
    };
    for (const std::string& text : before) ask(text);
    EXPECT_GT(counter(PROBE_RING_FULL), 0u);
    drain();
    for (const std::string& text : after) ask(text);
  }
  drain_until([&] { return recorder.closed == 1; });
  ASSERT_EQ(recorder.streams.size(), 1u);
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_EQ(stream.end, tap::StreamEnd::kClosed);
  ASSERT_EQ(stream.holes.size(), 1u);
  EXPECT_EQ(concatenated(before).compare(0, stream.holes[0], stream.bytes, 0, stream.holes[0]), 0);
  EXPECT_TRUE(stream.bytes.substr(stream.holes[0]) == concatenated(after));
  EXPECT_THAT(stream.after_send_at, ::testing::Contains(stream.holes[0]));
  EXPECT_EQ(counter(PROBE_HOLES), 1u);
  EXPECT_EQ(assembler.broken_streams(), 1u);
  EXPECT_EQ(counter(PROBE_BYTES), stream.bytes.size() + counter(PROBE_RING_FULL_BYTES) + counter(PROBE_SKIPPED_BYTES));
}

TEST_P(Taps, AStreamWhoseStartWasLostIsJoinedWhenTheRingHasRoomAgain) {
  load(Bytes{4096});
  if (IsSkipped() || HasFailure()) return;
  const std::string after = message("after");
  {
    Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
    watch(service.listener(), 1);
    service.start();
    for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(run_client(service, random_messages(i, 1, 50), i), 1u);
    const UniqueFd client = service.connect();
    loopback::send_all(client.get(), message("before"));
    EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
    drain();
    recorder.streams.clear();
    recorder.closed = 0;
    loopback::send_all(client.get(), after);
    EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_TRUE(stream.joined);
  EXPECT_EQ(stream.bytes, after);
  EXPECT_TRUE(stream.after_send.at(0));
  EXPECT_EQ(stream.end, tap::StreamEnd::kClosed);
}

TEST_P(Taps, ASendBeforeTheLostBytesIsNotToldOfThoseBehindThem) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service([](int fd) {
      EXPECT_EQ(loopback::receive(fd, 5), "first");
      loopback::send_all(fd, kReply);
      EXPECT_EQ(::recv(fd, nullptr, 4, MSG_TRUNC | MSG_WAITALL), 4);
      EXPECT_EQ(loopback::receive(fd, 4), "rest");
      loopback::send_all(fd, kReply);
      EXPECT_EQ(::recv(fd, nullptr, 4, MSG_TRUNC | MSG_WAITALL), 4);
      loopback::send_all(fd, kReply);
      EXPECT_EQ(loopback::receive(fd, 4), "next");
    });
    watch(service.listener(), 1);
    service.start();
    const UniqueFd client = service.connect();
    loopback::send_all(client.get(), "firstGONErestGONEnext");
    EXPECT_EQ(loopback::receive(client.get(), 3 * kReply.size()).size(), 3 * kReply.size());
    EXPECT_EQ(loopback::receive(client.get(), 1), "");
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_EQ(stream.bytes, "firstrestnext");
  EXPECT_EQ(stream.holes, (std::vector<std::size_t>{5, 9}));
  EXPECT_EQ(stream.after_send, (std::vector<bool>{false, false, true}));
  EXPECT_EQ(counter(PROBE_UNREADABLE), 8u);
  EXPECT_EQ(counter(PROBE_HOLES), 2u);
}

TEST_P(Taps, EvenARingWithoutRoomForOpensMakesNoWrongStream) {
  load(Bytes{4096});
  if (IsSkipped() || HasFailure()) return;
  constexpr std::uint32_t kClients = 100;  // 112 bytes of ring for each one's open and close
  {
    Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
    watch(service.listener(), 1);
    service.start();
    for (std::uint32_t i = 0; i < kClients; ++i) EXPECT_EQ(run_client(service, random_messages(i, 1, 50), i), 1u);
  }
  drain();
  for (const auto& [conn_id, stream] : recorder.streams) {
    if (stream.bytes.size() < 4) continue;
    const std::uint32_t client = *reinterpret_cast<const std::uint32_t*>(stream.bytes.data() + 4);
    EXPECT_EQ(stream.bytes, concatenated(random_messages(client, 1, 50)).substr(0, stream.bytes.size()));
  }
  EXPECT_LT(recorder.streams.size(), kClients);
  EXPECT_EQ(counter(PROBE_SAMPLED), kClients);
  EXPECT_GT(counter(PROBE_RING_FULL), 0u);
}

// Splices everything it is sent to nowhere: the bytes never pass the tap.
void splice_away(int fd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd out(ends[0]), in(ends[1]), null(::open("/dev/null", O_WRONLY));
  while (true) {
    const ssize_t moved = ::splice(fd, nullptr, in.get(), nullptr, 4096, 0);
    if (moved <= 0) return;
    ::splice(out.get(), nullptr, null.get(), nullptr, static_cast<std::size_t>(moved), 0);
  }
}

TEST_P(Taps, BytesThatAreSplicedPastTheTapBreakTheStreamAndAreCounted) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    Service service(splice_away);
    watch(service.listener(), 1);
    service.start();
    const UniqueFd client = service.connect();
    loopback::send_all(client.get(), std::string(1000, 'x'));
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(loopback::receive(client.get(), 1), "");  // the service has taken everything and closed
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_EQ(recorder.streams.begin()->second.end, tap::StreamEnd::kBroken);
  EXPECT_EQ(recorder.streams.begin()->second.bytes, "");
  EXPECT_EQ(counter(PROBE_UNREADABLE), 1000u);
  EXPECT_EQ(counter(PROBE_BYTES), 1000u);
}

TEST_P(Taps, AConnectionThatWasOpenIsJoinedFromTheNextRead) {
  load();
  if (IsSkipped() || HasFailure()) return;
  std::mutex mutex;
  std::condition_variable accepted;
  int accepted_fd = -1;
  {
    Service service([&](int fd) {
      {
        const std::lock_guard lock(mutex);
        accepted_fd = fd;
      }
      accepted.notify_one();
      answer_messages(fd, ReadCall::kRead);
    });
    service.start();
    const UniqueFd client = service.connect();
    {
      std::unique_lock lock(mutex);
      accepted.wait(lock, [&] { return accepted_fd >= 0; });
    }
    loopback::send_all(client.get(), message("before"));
    EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
    ASSERT_TRUE(probe->watch_connection(accepted_fd, slot, true).ok());
    loopback::send_all(client.get(), message("after"));
    EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_TRUE(stream.joined);
  if (design ==
      probe::TapDesign::kReceiveReturn) {  // does not see the end of a read that it was not there to see begin
    EXPECT_THAT(message("after"), ::testing::EndsWith(stream.bytes));
    EXPECT_GE(stream.bytes.size(), std::string_view("after").size());
  } else {
    EXPECT_EQ(stream.bytes, message("after"));
  }
  EXPECT_EQ(counter(PROBE_BYTES), stream.bytes.size());
  EXPECT_EQ(stream.end, tap::StreamEnd::kClosed);
  EXPECT_EQ(counter(PROBE_SAMPLED), 1u);
  EXPECT_EQ(counter(PROBE_CONNECTIONS), 0u);
  EXPECT_EQ(counter(PROBE_REQUESTS), 1u);
}

TEST_P(Taps, AReleasedSlotIsSilentAndTheNextOwnerStartsAtZero) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service([](int fd) { answer_messages(fd, ReadCall::kRead); });
  watch(service.listener(), 1);
  service.start();
  EXPECT_EQ(run_client(service, {message("captured")}, 1), 1u);
  {
    const UniqueFd client = service.connect();
    loopback::send_all(client.get(), message("one"));
    EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
    probe->release_slot(slot);
    ASSERT_EQ(probe->take_slot().value(), slot);
    ASSERT_TRUE(probe->set_sampled_fraction(slot, Fraction{1}).ok());
    loopback::send_all(client.get(), message("two"));
    EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply);
  }
  EXPECT_EQ(run_client(service, {message("three")}, 1), 1u);
  EXPECT_EQ(drain(), 0u);  // what the former owner left unread is dropped as well
  EXPECT_TRUE(recorder.streams.empty());
  const probe::Reading reading = probe->read(slot).value();
  for (const std::uint64_t value : reading.counter) EXPECT_EQ(value, 0u);
  EXPECT_TRUE(reading.service_time.empty());
}

}  // namespace
}  // namespace gnomon
