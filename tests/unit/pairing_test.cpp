// Production's responses and the requests they answer: in their order, and never with a doubt.

#include "agent/compare/pairing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/raw/raw.h"

namespace gnomon::compare {
namespace {

using protocol::Request;

std::string response(int status, const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Said\r\nDate: now\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// One connection of a service, number 1, whose responses are captured up to `bound` bytes each.
class PairingTest : public ::testing::Test {
 protected:
  void start(std::size_t bound = 4096, bool body = true, bool joined = false) {
    pairing = std::make_unique<Pairing>(Settings{.body = body, .bytes = bound}, tally);
    pairing->open(1, joined);
  }
  // The client asks; by default after the service has answered what was asked before.
  std::shared_ptr<protocol::ReplayWatch> ask(const char* endpoint = "GET /", bool after_send = true,
                                             bool head = false) {
    Request request{.conn_id = 1, .protocol = &protocol::http1()};
    request.endpoint = endpoint;
    request.head = head;
    if (after_send) pairing->sent(1);
    pairing->request(request, true);
    request.watch->sent();
    return std::move(request.watch);
  }
  void record(std::uint32_t type, std::string_view bytes, std::uint32_t flags) {
    tap_record header{};
    header.conn_id = 1;
    header.type = type;
    header.flags = flags;
    header.seq = at;
    header.len = static_cast<std::uint32_t>(bytes.size());
    pairing->record(header, std::as_bytes(std::span(bytes)));
    at += header.len;
  }
  void say(std::string_view bytes, std::uint32_t flags = TAP_RESPONSE_BEGIN) { record(TAP_RESPONSE, bytes, flags); }
  // The probe does not copy so many bytes.
  void pass(std::size_t bytes) { at += static_cast<std::uint32_t>(bytes); }
  static void shadow(protocol::ReplayWatch& watch, std::uint32_t status, const std::string& body) {
    protocol::Answer answer;
    answer.status = status;
    answer.size = body.size();
    answer.body = protocol::Body(body.size());
    answer.body.add(body);
    watch.answered(answer);
  }
  std::uint64_t counted(Outcome outcome) {
    std::uint64_t sum = 0;
    for (const Counts& counts : tally->counts()) sum += counts.of(outcome);
    return sum;
  }
  std::uint64_t counted() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kOutcomes; ++i) sum += counted(static_cast<Outcome>(i));
    return sum;
  }

  std::shared_ptr<Tally> tally = std::make_shared<Tally>();
  std::unique_ptr<Pairing> pairing;
  std::uint32_t at = 0xfffffff0;  // the numbers wrap
};

TEST_F(PairingTest, TellsWhatDiffersWhicheverComesFirst) {
  start();
  struct {
    int status;
    const char* body;
    Outcome outcome;
  } const shadows[] = {{200, "hello", Outcome::kSame},
                       {500, "hello", Outcome::kOtherStatus},
                       {200, "hell", Outcome::kOtherSize},
                       {200, "hallo", Outcome::kOtherBody}};
  for (const auto& said : shadows) {
    for (const bool shadow_first : {false, true}) {
      const std::uint64_t before = counted(said.outcome);
      const auto watch = ask();
      if (shadow_first) shadow(*watch, static_cast<std::uint32_t>(said.status), said.body);
      say(response(200, "hello"));
      if (!shadow_first) shadow(*watch, static_cast<std::uint32_t>(said.status), said.body);
      EXPECT_EQ(counted(said.outcome), before + 1);
    }
  }
  EXPECT_EQ(counted(), 8u);
  EXPECT_EQ(tally->held_bytes(), 0u);
}

TEST_F(PairingTest, HeadersAreNotCompared) {
  start();
  const auto watch = ask();
  say("HTTP/1.1 100 Continue\r\n\r\n");
  say("HTTP/1.1 200 OK\r\nDate: then\r\nX-Id: 17\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n");
  say("3;x=1\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n", 0);
  shadow(*watch, 200, "hello");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingTest, OfInterimResponsesAndTheFinalOneTheLastCountsHoweverTheyAreSplit) {
  start();
  std::uint64_t compared = 0;
  for (const std::string interim :
       {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Go\r\n\r\n"}) {
    const std::string all = interim + response(201, "made");
    for (std::size_t first = 0; first <= all.size(); ++first) {
      for (std::size_t second = first; second <= all.size(); ++second) {
        const auto watch = ask("POST /");
        say(all.substr(0, first));
        say(all.substr(first, second - first), 0);
        say(all.substr(second), 0);
        shadow(*watch, 201, "made");
        ASSERT_EQ(counted(Outcome::kSame), ++compared) << first << ", " << second;
      }
    }
  }
}

TEST_F(PairingTest, OfAnInterimResponseThatIsCutOffTheStatusIsNotTaken) {
  start(64);
  const std::string hints = "HTTP/1.1 103 Early Hints\r\nLink: </" + std::string(100, 'a') + ">\r\n\r\n";
  const auto watch = ask();
  say(hints.substr(0, 64));
  pass(hints.size() - 64 + response(200, "hello").size());
  shadow(*watch, 200, "hello");
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
}

TEST_F(PairingTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  const auto first = ask("GET /a"), second = ask("HEAD /b", false, true), third = ask("GET /c", false);
  const std::string all = response(200, "a") + "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + response(404, "c");
  for (std::size_t i = 0; i < all.size(); ++i) say(all.substr(i, 1), i == 0 ? std::uint32_t{TAP_RESPONSE_BEGIN} : 0u);
  shadow(*third, 404, "c");
  shadow(*second, 200, "");
  shadow(*first, 200, "a");
  EXPECT_EQ(counted(Outcome::kSame), 3u);
}

TEST_F(PairingTest, SizesBeyondTheBoundAreTheHeaders) {
  start(100);
  const std::string body(1000, 'x');
  const std::string whole = response(200, body);
  for (const std::size_t size : {1000u, 999u}) {
    const auto watch = ask();
    say(whole.substr(0, 100));  // which is all that is captured of it: compared before the next one comes
    pass(whole.size() - 100);
    shadow(*watch, 200, body.substr(0, size));
  }
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 1u);
}

TEST_F(PairingTest, ChunksBeyondTheBoundAreTruncatedUnlessTheyDifferBefore) {
  start(100);
  const std::string header = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n";
  for (const char* byte : {"x", "y"}) {
    const auto watch = ask();
    say((header + std::string(16, 'x') + "\r\n500\r\n" + std::string(0x500, 'x')).substr(0, 100));
    pass(5000);
    std::string body(2000, 'x');
    body[3] = *byte;
    shadow(*watch, 200, body);
  }
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
  const auto watch = ask();
  say(response(200, "found again"));
  shadow(*watch, 200, "found again");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingTest, AResponseMayEndWithItsConnection) {
  start(64);
  const auto watch = ask();
  const std::string whole = "HTTP/1.0 200 OK\r\n\r\n" + std::string(500, 'x');
  say(whole.substr(0, 64));
  pass(whole.size() - 64);
  record(TAP_RESPONSE_END, "", 0);
  shadow(*watch, 200, std::string(500, 'x'));
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingTest, AnAnswerMayComeBeforeItsRequestIsWhole) {
  start();
  say(response(413, "no"));
  const auto early = ask();
  const auto next = ask();
  say(response(200, "yes"));
  shadow(*early, 413, "no");
  shadow(*next, 200, "yes");
  EXPECT_EQ(counted(Outcome::kSame), 2u);
}

TEST_F(PairingTest, ALostResponseDoesNotShiftThoseAfterIt) {
  start();
  auto lost = ask();
  pass(200);  // all of it
  const auto next = ask();
  say(response(200, "next"), TAP_RESPONSE_BEGIN | TAP_LOST_BEFORE);
  shadow(*next, 200, "next");
  shadow(*lost, 200, "lost");
  lost.reset();
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kLost), 1u);
}

TEST_F(PairingTest, OfABodyThatIsDamagedTheSizeIsKnown) {
  start();
  const auto watch = ask(), other = ask();
  const std::string whole = response(200, std::string(300, 'x'));
  say(whole.substr(0, 200));
  pass(whole.size() - 200);
  say(response(200, ""), TAP_RESPONSE_BEGIN | TAP_LOST_BEFORE);
  shadow(*watch, 200, std::string(300, 'x'));
  EXPECT_EQ(counted(Outcome::kLost), 1u);
  shadow(*other, 200, "");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingTest, AfterALossAPipelinedConnectionIsNotGuessedAt) {
  start();
  auto first = ask(), second = ask("GET /", false);
  pass(200);
  say(response(200, "second?"), TAP_RESPONSE_BEGIN | TAP_LOST_BEFORE);
  auto third = ask();
  say(response(200, "third?"));
  for (auto* watch : {&first, &second, &third}) {
    shadow(**watch, 200, "");
    watch->reset();
  }
  EXPECT_EQ(counted(Outcome::kLost), 3u);
  EXPECT_EQ(counted(), 3u);
}

TEST_F(PairingTest, WhatWasPipelinedAndAnsweredBeforeALossDoesNotMatter) {
  start();
  auto first = ask(), second = ask("GET /", false);
  say(response(200, "a") + response(200, "b"));
  auto lost = ask();
  pass(200);
  const auto next = ask();
  say(response(200, "next"), TAP_RESPONSE_BEGIN | TAP_LOST_BEFORE);
  shadow(*first, 200, "a");
  shadow(*second, 200, "b");
  shadow(*next, 200, "next");
  EXPECT_EQ(counted(Outcome::kSame), 3u);
}

TEST_F(PairingTest, WhoSaysSeveralAtOnceAndWaitsForAllIsTakenUpAfterALoss) {
  start();
  const auto exchange = [&](const char* first, const char* second) {
    const auto one = ask("GET /a"), other = ask("GET /b", false);
    say(response(200, first) + response(200, second));
    shadow(*one, 200, "first");
    shadow(*other, 200, "second");
  };
  for (int i = 0; i < 4; ++i) exchange("first", "second");
  auto lost = ask(), too = ask("GET /", false);
  pass(200);
  pairing->hole(1);  // and of the requests some
  const auto one = ask("GET /a"), other = ask("GET /b", false);
  say(response(200, "first") + response(200, "second"), TAP_RESPONSE_BEGIN | TAP_LOST_BEFORE);
  shadow(*one, 200, "first");
  shadow(*other, 200, "second");
  exchange("first", "other?");
  EXPECT_EQ(counted(Outcome::kSame), 4 * 2 + 2 + 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody) + counted(Outcome::kOtherSize), 1u);
}

TEST_F(PairingTest, WhoDoesNotWaitForAllIsNotTakenUp) {
  start();
  for (int i = 0; i < 8; ++i) {
    const auto one = ask(), other = ask("GET /", false);
    say(response(200, ""));
    const auto third = ask();  // when the first is answered
    say(response(200, "") + response(200, ""));
    for (const auto& watch : {one, other, third}) shadow(*watch, 200, "");
  }
  EXPECT_EQ(counted(Outcome::kSame), 24u);
  pairing->hole(1);
  auto one = ask(), other = ask("GET /", false);
  say(response(200, "whose?"));
  for (auto* watch : {&one, &other}) {
    shadow(**watch, 200, "");
    watch->reset();
  }
  EXPECT_EQ(counted(Outcome::kLost), 2u);
  EXPECT_EQ(counted(), 26u);
}

TEST_F(PairingTest, WhatMayHaveBeenAnsweredInALossIsNotTakenUp) {
  start();
  for (int i = 0; i < 8; ++i) {
    const auto one = ask(), other = ask("GET /", false);
    say(response(200, "") + response(200, ""));
    shadow(*one, 200, "");
    shadow(*other, 200, "");
  }
  auto one = ask(), other = ask("GET /", false);
  pass(50);
  say(response(200, "second?"), TAP_RESPONSE_BEGIN | TAP_LOST_BEFORE);
  for (auto* watch : {&one, &other}) {
    shadow(**watch, 200, "");
    watch->reset();
  }
  EXPECT_EQ(counted(Outcome::kLost), 2u);
}

TEST_F(PairingTest, AJoinedConnectionStartsWithTheNextResponse) {
  start(4096, true, /*joined=*/true);
  say("the rest of something\r\n\r\n");  // to a request that was not seen
  const auto watch = ask();
  say(response(200, "hello"));
  shadow(*watch, 200, "hello");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(), 1u);
}

TEST_F(PairingTest, AfterLostRequestsTheirAnswersAreNobodys) {
  start();
  pairing->hole(1);
  say(response(200, "to a request that was lost"));
  const auto watch = ask();
  say(response(200, "hello"));
  shadow(*watch, 200, "hello");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingTest, WithoutBodiesStatusesAndSizesAreCompared) {
  start(1024, /*body=*/false);
  const auto watch = ask();
  say(response(200, "hello"));
  shadow(*watch, 200, "world");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingTest, WhatIsNotComparedIsCountedOnce) {
  start();
  ask().reset();  // the shadow never answers
  {
    const auto watch = ask();
    say(response(200, ""));
    say(response(200, ""), 0);
  }
  EXPECT_EQ(counted(Outcome::kUnanswered), 2u);
  pairing->give_up(1);
  auto watch = ask();
  shadow(*watch, 200, "");
  watch.reset();
  EXPECT_EQ(counted(Outcome::kUnpaired), 1u);
  Request whole_connection{.conn_id = 2, .protocol = &protocol::raw()};
  pairing->open(2, false);
  pairing->request(whole_connection, true);
  whole_connection.watch->sent();
  whole_connection.watch.reset();
  EXPECT_EQ(counted(Outcome::kUnsupported), 1u);
}

TEST_F(PairingTest, RequestsThatAreNotReplayedAreNotCounted) {
  start();
  Request request{.conn_id = 1, .protocol = &protocol::http1()};
  pairing->request(request, false);
  EXPECT_EQ(request.watch, nullptr);
  say(response(200, "a"));
  const auto watch = ask();
  say(response(200, "b"));
  shadow(*watch, 200, "b");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(), 1u);
}

TEST_F(PairingTest, OfALongBodyLittleIsHeldAndAllOfItIsCompared) {
  start(64u << 10);
  const std::string body(60000, 'x');
  std::string other = body;
  other[50000] = 'y';
  for (const std::string& said : {body, other}) {
    const auto watch = ask();
    say(response(200, body));
    EXPECT_GT(tally->held_bytes(), 0u);
    EXPECT_LT(tally->held_bytes(), 4000u);
    shadow(*watch, 200, said);
  }
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
}

TEST_F(PairingTest, MemoryIsBounded) {
  tally = std::make_shared<Tally>(100);
  start();
  const auto first = ask();
  say(response(200, std::string(80, 'x')));
  const auto second = ask();
  say(response(200, std::string(80, 'x')));
  EXPECT_EQ(tally->held_bytes(), 80u);
  shadow(*second, 200, std::string(80, 'x'));
  shadow(*first, 200, std::string(80, 'x'));
  EXPECT_EQ(counted(Outcome::kTooMany), 1u);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(tally->held_bytes(), 0u);
  for (int i = 0; i < 1000; ++i) tally->count("class " + std::to_string(i), Outcome::kSame);
  EXPECT_LE(tally->counts().size(), Tally::kMostClasses + 1);
}

}  // namespace
}  // namespace gnomon::compare
