#include <algorithm>
#include <cmath>
#include <set>

#include "tests/unit/replayer_fixture.h"

namespace gnomon::replay {
namespace {

TEST_F(ReplayerTest, SendsEveryRequestOnceByteForByte) {
  start();
  std::multiset<std::string> offered;
  for (int i = 0; i < 200; ++i) {
    const std::string bytes = post(std::string(i * 37 % 5000, static_cast<char>('a' + i % 26)) + std::to_string(i));
    offered.insert(bytes);
    offer(i % 10, bytes);
  }
  run_until_quiet();
  EXPECT_EQ(std::multiset<std::string>(server.requests.begin(), server.requests.end()), offered);
  EXPECT_EQ(total().counters.answered, 200u);
  EXPECT_EQ(total().errors, 0u);
}

TEST_F(ReplayerTest, SendsRequestsLargerThanTheSocketTakesAtOnce) {
  start();
  const std::string bytes = post(std::string(7u << 20, 'x'));
  offer(1, bytes);
  run_until_quiet();
  ASSERT_EQ(server.requests.size(), 1u);
  EXPECT_TRUE(server.requests[0] == bytes);
  EXPECT_EQ(total().counters.answered, 1u);
}

TEST_F(ReplayerTest, ReadsResponsesLargerThanItsBuffers) {
  server.behaviour.response =
      "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(5u << 20) + "\r\n\r\n" + std::string(5u << 20, 'x');
  start();
  for (int i = 0; i < 3; ++i) {
    offer(1, post("a"));
    run_until_quiet();
  }
  EXPECT_EQ(total().counters.answered, 3u);
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ReplayerTest, FractionalMultiplicityIsMetOnAverage) {
  phase.multiplicity = 2.5;
  start();
  for (int i = 0; i < 400; ++i) offer(i % 40, post(std::to_string(i)));
  run_until_quiet();
  EXPECT_NEAR(static_cast<double>(server.requests.size()), 1000, 5 * std::sqrt(400 * 0.25));
  EXPECT_EQ(total().counters.copies, server.requests.size());
  EXPECT_EQ(total().counters.offered, 400u);
}

TEST_F(ReplayerTest, ALaneReusesItsConnectionAndKeepsItsOrder) {
  start();
  for (int i = 0; i < 10; ++i) {
    for (std::uint64_t conn : {1, 2, 3}) offer(conn, post(std::to_string(conn) + "/" + std::to_string(i)));
    run_until_quiet();
  }
  EXPECT_EQ(server.connections, 3);
  for (const auto& [number, requests] : server.by) {
    ASSERT_EQ(requests.size(), 10u);
    const std::string body = requests[0].substr(requests[0].size() - 3);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(requests[i], post(body.substr(0, 2) + std::to_string(i)));
  }
}

TEST_F(ReplayerTest, CopiesOfAConnectionHaveConnectionsOfTheirOwn) {
  phase.multiplicity = 3;
  start();
  for (int i = 0; i < 5; ++i) {
    offer(1, post("x"));
    run_until_quiet();
  }
  EXPECT_EQ(server.requests.size(), 15u);
  EXPECT_EQ(server.connections, 3);
}

TEST_F(ReplayerTest, ClosesALaneWhenTheClientClosed) {
  phase.multiplicity = 2;
  start();
  offer(1, post("x"));
  replayer->end_connection(1);
  run_until([this] { return server.closed == 2; });
  EXPECT_EQ(server.requests.size(), 2u);
}

TEST_F(ReplayerTest, ClosesAfterARequestThatAskedForIt) {
  start();
  offer(1, post("x"), true);
  run_until([this] { return server.closed == 1; });
  EXPECT_EQ(total().counters.answered, 1u);
}

TEST_F(ReplayerTest, AStalledShadowStopsNoFurtherSends) {
  server.behaviour.stalled = true;
  start();
  for (int i = 0; i < 50; ++i) offer(1, post(std::to_string(i)));
  run_until([this] { return server.requests.size() == 50; });
  EXPECT_EQ(replayer->in_flight(), 50u);
  EXPECT_EQ(server.connections, 50);
  EXPECT_EQ(total().counters.answered, 0u);
}

TEST_F(ReplayerTest, DelayNoiseShiftsTheResponseTimeByWhatWasAsked) {
  start();
  for (int block : {0, 1}) {
    phase.block = block;
    if (block == 1) phase.noise = {.delay_mean = milliseconds(50), .delay_stddev = milliseconds(10), .error_rate = {}};
    replayer->set_phase(phase);
    for (int round = 0; round < 5; ++round) {
      for (int i = 0; i < 40; ++i) offer(i, post("x"));
      run_until_quiet();
    }
  }
  const auto &control = sums[{0, false}].response_time, &treatment = sums[{1, false}].response_time;
  ASSERT_EQ(control.count(), 200u);
  ASSERT_EQ(treatment.count(), 200u);
  const auto shift_ms = [&](double q) {
    return static_cast<double>((*treatment.quantile(q) - *control.quantile(q)).count()) / 1e6;
  };
  EXPECT_NEAR(shift_ms(0.5), 50, 15);
  EXPECT_NEAR(shift_ms(0.1), 37, 15);
  const noise::Tally& held = sums[{1, false}].noise;
  EXPECT_EQ(held.delayed, 200u);
  EXPECT_NEAR(held.delay_sum / 200 / 1e6, 50, 10);
  EXPECT_EQ((sums[{0, false}].noise.delayed), 0u);
}

TEST_F(ReplayerTest, ADelayedResponseKeepsItsConnectionBusy) {
  phase.noise = {.delay_mean = seconds(3600), .delay_stddev = Nanos(0), .error_rate = {}};
  start();
  offer(1, post("a"));
  run_until([this] { return server.requests.size() == 1; });
  offer(1, post("b"));
  run_until([this] { return server.requests.size() == 2; });
  EXPECT_EQ(server.connections, 2);
  EXPECT_EQ(replayer->in_flight(), 2u);
}

TEST_F(ReplayerTest, ADelayedResponseIsDeliveredThoughTheShadowClosedMeanwhile) {
  server.behaviour.close_after = true;
  phase.noise = {.delay_mean = milliseconds(20), .delay_stddev = Nanos(0), .error_rate = {}};
  start();
  offer(1, post("a"));
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 1u);
}

TEST_F(ReplayerTest, InjectsTheShareOfErrorsAskedForAndCountsThemApart) {
  phase.noise.error_rate = Fraction{0.2};
  start();
  for (int i = 0; i < 500; ++i) offer(i % 20, post("x"));
  run_until_quiet();
  const Reading all = total();
  EXPECT_NEAR(static_cast<double>(all.injected_errors), 100, 5 * std::sqrt(500 * 0.2 * 0.8));
  EXPECT_EQ(all.counters.reset, 0u);
  EXPECT_EQ(all.counters.answered + all.injected_errors, 500u);
}

TEST_F(ReplayerTest, RefusesTheShareOfConnectionsAskedForWithoutTellingTheShadow) {
  phase.noise.refusal = Fraction{0.3};
  start();
  for (int i = 0; i < 300; ++i) offer(i, post("x"));
  run_until_quiet();
  const Reading all = total();
  EXPECT_NEAR(static_cast<double>(all.noise.refused), 90, 5 * std::sqrt(300 * 0.3 * 0.7));
  EXPECT_EQ(all.noise.connections, 300u);
  EXPECT_EQ(all.injected_errors, all.noise.refused);
  EXPECT_EQ(all.counters.refused, 0u);
  EXPECT_EQ(static_cast<std::uint64_t>(server.connections), 300 - all.noise.refused);
}

TEST_F(ReplayerTest, ResetsTheShareOfConnectionsAskedForInTheMiddleOfAResponse) {
  phase.noise.reset = Fraction{0.3};
  start();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 300; ++i) offer(i, post("x"));
    run_until_quiet();
  }
  const Reading all = total();
  // Those that were reset come again on new connections, which have their own chance.
  EXPECT_EQ(all.noise.responding, 300 + static_cast<std::uint64_t>(server.connections) - 300);
  EXPECT_NEAR(static_cast<double>(all.noise.reset), 0.3 * static_cast<double>(all.noise.responding),
              5 * std::sqrt(static_cast<double>(all.noise.responding) * 0.3 * 0.7));
  EXPECT_EQ(all.injected_errors, all.noise.reset);
  EXPECT_EQ(server.requests.size(), 600u);
}

TEST_F(ReplayerTest, AConnectionThatIsKeptMayBeResetOnceInEachBlock) {
  start();
  for (int block : {0, 1, 2}) {
    phase.block = block;
    phase.noise.reset = Fraction{block == 1 ? 1.0 : 0.0};
    replayer->set_phase(phase);
    offer(1, post("x"));
    run_until_quiet();
  }
  EXPECT_EQ((sums[{0, false}].injected_errors), 0u);
  EXPECT_EQ((sums[{1, false}].injected_errors), 1u);
  EXPECT_EQ((sums[{2, false}].injected_errors), 0u);
  EXPECT_EQ(server.connections, 2);
}

TEST_F(ReplayerTest, AnswersWithStatus5xxAreAnsweredAndErrors) {
  server.behaviour.response = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
  start();
  for (int i = 0; i < 5; ++i) offer(1, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 5u);
  EXPECT_EQ(total().counters.error_answers, 5u);
  EXPECT_EQ(total().errors, 5u);
  EXPECT_TRUE(total().response_time.empty());
}

TEST_F(ReplayerTest, WhatIsNotAnsweredInTimeTimesOut) {
  server.behaviour.stalled = true;
  limits.timeout = milliseconds(50);
  start();
  for (int i = 0; i < 5; ++i) offer(i, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.timed_out, 5u);
  EXPECT_GT(*total().response_time.quantile(0.01), milliseconds(49)) << "as slow as its time-out at least";
  run_until([this] { return server.closed == 5; });
}

TEST_F(ReplayerTest, ShedsBeyondTheInFlightLimit) {
  server.behaviour.stalled = true;
  limits.in_flight = 10;
  start();
  for (int i = 0; i < 25; ++i) offer(i, post("x"));
  run_until([this] { return replayer->scheduled() == 0; });
  EXPECT_EQ(total().counters.shed, 15u);
  EXPECT_EQ(replayer->in_flight(), 10u);
}

TEST_F(ReplayerTest, ShedsBeyondTheScheduledBytesLimit) {
  limits.scheduled_bytes = 3 * post("x").size();
  start();
  for (int i = 0; i < 5; ++i) offer(i, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.shed, 2u);
  EXPECT_EQ(total().counters.answered, 3u);
}

TEST_F(ReplayerTest, CountsTheCopiesOfWhatWasTurnedAwayBeforeItAsShed) {
  start();
  replayer->set_phase({.multiplicity = 2.5});
  replayer->turn_away(4);
  EXPECT_EQ(total().counters.offered, 4u);
  EXPECT_EQ(total().counters.copies, 10u);
  EXPECT_EQ(total().counters.shed, 10u);
  EXPECT_EQ(total().errors, 10u);
}

TEST_F(ReplayerTest, ARefusedConnectionIsCountedAsRefused) {
  boost::asio::ip::tcp::acceptor unheard(io);  // bound, so that nobody else listens there, but not listening
  unheard.open(boost::asio::ip::tcp::v4());
  unheard.bind({boost::asio::ip::address_v4::loopback(), 0});
  port = unheard.local_endpoint().port();
  start();
  for (int i = 0; i < 5; ++i) offer(1, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.refused, 5u);
}

TEST_F(ReplayerTest, AnUnusableAddressRefusesEverything) {
  replayer = std::make_unique<Replayer>(loop, Target{"not an address", 80}, limits, 1);
  offer(1, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.refused, 1u);
}

TEST_F(ReplayerTest, AConnectionClosedInsteadOfAResponseIsCountedAsReset) {
  server.behaviour.close_unanswered = true;
  start();
  for (int i = 0; i < 5; ++i) offer(1, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.reset, 5u);
  EXPECT_EQ(server.requests.size(), 5u);
}

TEST_F(ReplayerTest, AResponseThatIsNotHttpIsCountedAsReset) {
  server.behaviour.response = "SSH-2.0-OpenSSH\r\n\r\n";
  start();
  offer(1, post("x"));
  run_until_quiet();
  EXPECT_EQ(total().counters.reset, 1u);
}

TEST_F(ReplayerTest, ARequestThatMetAnIdleCloseIsSentAgainOnAFreshConnection) {
  start();
  offer(1, post("a"));
  run_until_quiet();
  server.behaviour.close_further = 1;
  offer(1, post("b"));
  run_until_quiet();
  EXPECT_EQ(server.requests, (std::vector<std::string>{post("a"), post("b")}));
  EXPECT_EQ(server.connections, 2);
  EXPECT_EQ(total().counters.answered, 2u);
  EXPECT_EQ(total().errors, 0u);
}

TEST_F(ReplayerTest, AFurtherRequestUsesAFreshConnectionWhenTheShadowClosedTheIdleOne) {
  server.behaviour.close_after = true;
  start();
  for (int i = 0; i < 4; ++i) {
    offer(1, post(std::to_string(i)));
    run_until_quiet();
  }
  EXPECT_EQ(total().counters.answered, 4u);
  EXPECT_EQ(total().errors, 0u);
  EXPECT_EQ(server.connections, 4);
}

TEST_F(ReplayerTest, FlushCancelsWhatIsScheduledAndResetsWhatIsInFlight) {
  server.behaviour.stalled = true;
  start();
  for (int i = 0; i < 3; ++i) offer(i, post("x"));
  run_until([this] { return server.requests.size() == 3; });
  for (int i = 0; i < 4; ++i)
    replayer->offer({.conn_id = 9,
                     .arrival = std::chrono::steady_clock::now() + seconds(3600),
                     .protocol = &protocol::http1(),
                     .bytes = std::make_shared<const std::string>(post("y"))});
  EXPECT_EQ(replayer->scheduled(), 4u);
  replayer->flush();
  EXPECT_EQ(replayer->in_flight(), 0u);
  EXPECT_EQ(replayer->scheduled(), 0u);
  EXPECT_EQ(total().counters.cancelled, 4u);
  EXPECT_EQ(total().counters.timed_out, 3u);
  run_until([this] { return server.closed == 3; });
}

TEST_F(ReplayerTest, FlushSparesIdleConnections) {
  start();
  offer(1, post("a"));
  run_until_quiet();
  replayer->flush();
  offer(1, post("b"));
  run_until_quiet();
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ReplayerTest, AnAnswerIsCreditedToThePhaseItsRequestWasDueIn) {
  phase.block = 4;
  phase.settled = true;
  phase.noise = {.delay_mean = milliseconds(30), .delay_stddev = Nanos(0), .error_rate = {}};
  start();
  offer(1, post("x"));
  run_until([this] { return replayer->in_flight() == 1; });
  replayer->set_phase({.block = 5});
  offer(2, post("x"));
  run_until_quiet();
  EXPECT_EQ((sums[{4, true}].counters.answered), 1u);
  EXPECT_EQ((sums[{4, true}].replayed), 1u);
  EXPECT_EQ((sums[{5, false}].counters.answered), 1u);
  EXPECT_TRUE(replayer->take().empty());
}

TEST_F(ReplayerTest, GoingAwayWithRequestsInFlightLeavesNothingBehind) {
  server.behaviour.stalled = true;
  start();
  for (int i = 0; i < 5; ++i) offer(i, post("x"));
  run_until([this] { return server.requests.size() == 5; });
  replayer.reset();
  const auto limit = std::chrono::steady_clock::now() + seconds(30);
  while (server.closed < 5 && std::chrono::steady_clock::now() < limit) turn();
  EXPECT_EQ(server.closed, 5);
}

}  // namespace
}  // namespace gnomon::replay
