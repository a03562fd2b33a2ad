// What is read while a session pauses: passed over in whole exchanges, nothing of it lost.

#include "tests/bpf/loopback.h"
#include "tests/bpf/messages.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::ReadCall;
using loopback::Service;
using messages::answer_messages;
using messages::kReply;
using messages::message;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Pauses : public EachTap {
 protected:
  // A service that answers messages, watched.
  std::unique_ptr<Service> serving() {
    auto service = std::make_unique<Service>([](int fd) { answer_messages(fd, ReadCall::kRead); });
    watch(service->listener(), 1);
    service->start();
    return service;
  }
  void pause(bool paused) { ASSERT_TRUE(probe->set_paused(slot, paused).ok()); }
  static void await_reply(const UniqueFd& client) { EXPECT_EQ(loopback::receive(client.get(), kReply.size()), kReply); }
  static void ask(const UniqueFd& client, const std::string& text) {
    loopback::send_all(client.get(), text);
    await_reply(client);
  }
  const SeenStream& stream() const { return recorder.streams.begin()->second; }
  void expect_no_loss(std::size_t copied) {
    EXPECT_EQ(stream().end, tap::StreamEnd::kClosed);
    EXPECT_THAT(stream().holes, IsEmpty());
    EXPECT_EQ(assembler.broken_streams(), 0u);
    EXPECT_EQ(stream().bytes.size(), copied);
    EXPECT_EQ(counter(PROBE_BYTES), copied);
    EXPECT_EQ(counter(PROBE_HOLES), 0u);
    EXPECT_EQ(counter(PROBE_UNREADABLE), 0u);
  }

  const std::string first_ = message(std::string(3000, '1')), second_ = message(std::string(50'000, '2')),
                    third_ = message("third"), fourth_ = message(std::string(9000, '4'));
};

INSTANTIATE_TEST_SUITE_P(Design, Pauses, ::testing::ValuesIn(kTapDesigns), design_of);

TEST_P(Pauses, ExchangesInAPauseArePassedOverAndTheStreamGoesOnBehindThem) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    const auto service = serving();
    const UniqueFd client = service->connect();
    ask(client, first_);
    pause(true);
    ask(client, second_);
    ask(client, third_);
    pause(false);
    ask(client, fourth_);
    ask(client, third_);
    pause(true);
    ask(client, second_);
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_TRUE(stream().bytes == first_ + fourth_ + third_);
  EXPECT_THAT(stream().pauses, ElementsAre(first_.size(), stream().bytes.size()));
  EXPECT_THAT(stream().after_send_at, ElementsAre(first_.size(), first_.size() + fourth_.size()));
  EXPECT_EQ(counter(PROBE_PAUSED), 2 * second_.size() + third_.size());
  expect_no_loss(first_.size() + fourth_.size() + third_.size());
}

TEST_P(Pauses, AMessageUnderWayIsCopiedWholeOrPassedOverWhole) {
  load();
  if (IsSkipped() || HasFailure()) return;
  constexpr std::size_t kHalf = 2000;
  {
    const auto service = serving();
    const UniqueFd client = service->connect();
    ask(client, third_);
    loopback::send_all(client.get(), first_.substr(0, kHalf));
    drain_until([&] { return counter(PROBE_BYTES) == third_.size() + kHalf; });
    pause(true);
    ask(client, first_.substr(kHalf));
    loopback::send_all(client.get(), fourth_.substr(0, kHalf));
    drain_until([&] { return counter(PROBE_PAUSED) == kHalf; });
    pause(false);
    ask(client, fourth_.substr(kHalf));
    ask(client, third_);
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_TRUE(stream().bytes == third_ + first_ + third_);
  EXPECT_EQ(counter(PROBE_PAUSED), fourth_.size());
  expect_no_loss(2 * third_.size() + first_.size());
}

TEST_P(Pauses, WhatAConnectionBeginsWithIsCopiedInAPauseToo) {
  load();
  if (IsSkipped() || HasFailure()) return;
  {
    const auto service = serving();
    pause(true);
    const UniqueFd client = service->connect();
    ask(client, first_);
    ask(client, second_);
    pause(false);
    ask(client, third_);
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_TRUE(stream().bytes == first_ + third_);
  expect_no_loss(first_.size() + third_.size());
}

TEST_P(Pauses, ALossBehindAPauseIsTold) {
  load(Bytes{64 << 10});
  if (IsSkipped() || HasFailure()) return;
  const std::string large = message(std::string(200'000, 'x'));
  {
    const auto service = serving();
    const UniqueFd client = service->connect();
    ask(client, first_);
    pause(true);
    ask(client, second_);
    pause(false);
    ask(client, large);  // nobody reads the ring meanwhile
    drain();
    ask(client, third_);
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_THAT(stream().pauses, ElementsAre(first_.size()));
  EXPECT_EQ(stream().holes.size(), 1u);
  EXPECT_THAT(stream().bytes, ::testing::EndsWith(third_));
  EXPECT_EQ(counter(PROBE_PAUSED), second_.size());
  EXPECT_EQ(counter(PROBE_BYTES), first_.size() + large.size() + third_.size());
}

}  // namespace
}  // namespace gnomon
