// What lies beyond the bound, or was lost, in each protocol: as much is told as is certain, and what comes after it
// goes on where it surely begins.

#include <gtest/gtest.h>

#include "agent/compare/pairing.h"
#include "tests/unit/conversations.h"

namespace gnomon::compare {
namespace {

using protocol::http2_frame;
using protocol::Request;

constexpr std::size_t kBound = 256;

// A connection whose client, framed, waits for each answer before it says more, and of whose responses kBound bytes
// each are captured.
class PairingBound : public ::testing::Test {
 protected:
  void start(const protocol::Protocol& spoken, bool joined = false) {
    protocol = &spoken;
    pairing = std::make_unique<Pairing>(Settings{.body = true, .bytes = kBound}, tally);
    pairing->open(1, joined);
    framer = spoken.framer(1, joined, {});
    said = joined;
  }
  // The requests that become whole with it.
  std::vector<Request> ask(std::string_view bytes) {
    if (said) pairing->sent(1);
    std::vector<Request> requests;
    framer->feed(std::as_bytes(std::span(bytes)), {}, std::exchange(said, false), requests);
    for (Request& request : requests) {
      pairing->request(request, true);
      request.watch->sent();
    }
    return requests;
  }
  // What production answers, of which the bound's bytes are captured, unless they are lost.
  void answer(std::string_view bytes, bool lost = false) {
    said = true;
    if (!lost) record(TAP_RESPONSE, bytes.substr(0, kBound), TAP_RESPONSE_BEGIN);
    if (lost) pending = TAP_LOST_BEFORE;
    at += static_cast<std::uint32_t>(bytes.size() - (lost ? 0 : std::min(kBound, bytes.size())));
  }
  void record(std::uint32_t type, std::string_view bytes, std::uint32_t flags) {
    tap_record header{};
    header.conn_id = 1;
    header.type = type;
    header.flags = flags | std::exchange(pending, 0);
    header.seq = at;
    header.len = static_cast<std::uint32_t>(bytes.size());
    pairing->record(header, std::as_bytes(std::span(bytes)));
    at += header.len;
  }
  // What the shadow answers to it, on a connection of its own that has said `before`.
  void shadow(const Request& request, std::string_view bytes, std::string_view before = "") {
    const auto client = protocol->client({.kept_body_bytes = kBound});
    std::string out;
    std::vector<protocol::Answer> answers;
    client->start(request, out);
    client->send(request, 0, out);
    client->receive(std::as_bytes(std::span(before)), answers, out);
    EXPECT_TRUE(client->receive(std::as_bytes(std::span(bytes)), answers, out));
    ASSERT_EQ(answers.size(), 1u);
    request.watch->answered(answers[0]);
  }
  // Asks, and compares production's answer with the shadow's.
  void compare(std::string_view asked, std::string_view production, std::string_view shadows,
               std::string_view before = "") {
    auto requests = ask(asked);
    ASSERT_EQ(requests.size(), 1u);
    answer(production);
    shadow(requests[0], shadows, before);
  }
  std::uint64_t counted(Outcome outcome) {
    std::uint64_t sum = 0;
    for (const Counts& counts : tally->counts()) sum += counts.of(outcome);
    return sum;
  }

  const protocol::Protocol* protocol = nullptr;
  std::shared_ptr<Tally> tally = std::make_shared<Tally>();
  std::unique_ptr<Pairing> pairing;
  std::unique_ptr<protocol::RequestFramer> framer;
  bool said = false;
  std::uint32_t at = 0xffffff00, pending = 0;
};

TEST_F(PairingBound, OfALongRedisValueTheSizeIsKnown) {
  start(protocol::redis());
  const std::string value(1000, 'x');
  compare("GET a\r\n", bulk(value), bulk(value));
  compare("GET a\r\n", bulk(value), bulk(value + "y"));
  compare("GET a\r\n", bulk(value), bulk("y" + value.substr(1)));
  compare("GET a\r\n", bulk(value), "$-1\r\n");
  compare("GET a\r\n", bulk(value), "-WRONGTYPE it is none\r\n");
  compare("GET a\r\n", "-WRONGTYPE it is none\r\n", "-WRONGTYPE and has never been\r\n");
  compare("GET a\r\n", "-WRONGTYPE it is none\r\n", "-NOAUTH it is none\r\n");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 3u);  // an error's text is its body
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
  EXPECT_EQ(counted(Outcome::kOtherStatus), 2u);
}

TEST_F(PairingBound, AListOfRedisThatGoesBeyondItIsTruncatedAndTheNextAnswerRead) {
  start(protocol::redis());
  std::string list = "*100\r\n", other;
  for (int i = 0; i < 100; ++i) list += bulk(std::to_string(1000 + i));
  other = list;
  other[20] = 'y';
  compare("LRANGE l 0 -1\r\n", list, list);
  compare("LRANGE l 0 -1\r\n", list, other);
  compare("GET a\r\n", bulk("x"), bulk("x"));
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingBound, OfATransactionThatWasHalfLostNothingIsTaken) {
  start(protocol::redis());
  ask("MULTI\r\n");
  answer("+OK\r\n", /*lost=*/true);
  ask("INCR a\r\n");
  answer("+QUEUED\r\n");
  auto transaction = ask("EXEC\r\n");
  answer("*1\r\n:1\r\n");
  ASSERT_EQ(transaction.size(), 1u);
  shadow(transaction[0], "+OK\r\n+QUEUED\r\n*1\r\n:1\r\n");
  transaction.clear();
  compare("GET a\r\n", bulk("1"), bulk("1"));
  EXPECT_EQ(counted(Outcome::kLost), 1u);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingBound, WhatIsSaidOfTheSessionHasAnAnswerAndNoRequest) {
  start(protocol::redis());
  ask("SELECT 1\r\n");
  answer("+OK\r\n");
  compare("GET a\r\n", bulk("x"), bulk("x"), "+OK\r\n");
  auto pipelined = ask("SELECT 2\r\nGET a\r\n");
  answer("+OK\r\n" + bulk("y"));
  shadow(pipelined[0], bulk("y"), "+OK\r\n");
  EXPECT_EQ(counted(Outcome::kSame), 2u);
}

TEST_F(PairingBound, WhatASubscriberIsToldAnswersNothing) {
  start(protocol::redis());
  auto subscribe = ask("SUBSCRIBE news\r\n");
  EXPECT_FALSE(subscribe[0].replayable);
  answer("*3\r\n" + bulk("subscribe") + bulk("news") + ":1\r\n");
  auto ping = ask("PING\r\n");
  answer("*3\r\n" + bulk("message") + bulk("news") + bulk("") + "*2\r\n" + bulk("pong") + bulk(""));
  shadow(ping[0], "+PONG\r\n");
  ping.clear();
  EXPECT_EQ(counted(Outcome::kUnpaired), 1u);
}

TEST_F(PairingBound, OfALongMemcachedValueTheSizeIsKnownWhereItIsTheLast) {
  start(protocol::memcached());
  const std::string value = std::string(1000, 'x') + "\r\n";
  const std::string one = "VALUE a 0 1000\r\n" + value + "END\r\n";
  compare("get a\r\n", one, one);
  compare("get a\r\n", one, "END\r\n");
  compare("get a\r\n", one, "VALUE a 0 1001\r\nx" + value + "END\r\n");
  compare("mg a v\r\n", "VA 1000\r\n" + value, "VA 1000\r\n" + value);
  compare("get a b\r\n", one, one);  // b may come yet
  compare("get a\r\n", "END\r\n", "END\r\n");
  EXPECT_EQ(counted(Outcome::kSame), 3u);
  EXPECT_EQ(counted(Outcome::kOtherStatus), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 1u);
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
}

TEST_F(PairingBound, AnErrorThatMayAnswerWhatIsNotAnsweredIsNotTaken) {
  start(protocol::memcached());
  auto quiet = ask("set a 0 0 1 noreply\r\nx\r\nget a\r\n");
  answer("VALUE a 0 1\r\nx\r\nEND\r\n");
  shadow(quiet[0], "MN\r\n");
  shadow(quiet[1], "VALUE a 0 1\r\nx\r\nEND\r\n");
  EXPECT_EQ(counted(Outcome::kSame), 2u);
  auto failed = ask("set a 0 0 1 noreply\r\nx\r\nget a\r\n");
  answer("SERVER_ERROR out of memory\r\nVALUE a 0 1\r\nx\r\nEND\r\n");
  shadow(failed[0], "MN\r\n");
  shadow(failed[1], "VALUE a 0 1\r\nx\r\nEND\r\n");
  failed.clear();
  EXPECT_EQ(counted(Outcome::kUnpaired), 2u);
  compare("get a\r\n", "END\r\n", "END\r\n");
  EXPECT_EQ(counted(Outcome::kSame), 3u);
}

TEST_F(PairingBound, QuietCommandsWithoutASignAreUnpairedAndTheNextAnswerRead) {
  start(protocol::memcached());
  auto quiet = ask("mg a v q\r\nmg b v\r\n");
  answer("VA 1\r\nx\r\nEN\r\n");
  shadow(quiet[0], "VA 1\r\nx\r\nEN\r\nMN\r\n");
  quiet.clear();
  EXPECT_EQ(counted(Outcome::kUnpaired), 1u);
  compare("get a\r\n", "END\r\n", "END\r\n");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingBound, RowsOfPostgresBeyondItAreTruncatedUnlessTheyDifferBefore) {
  using namespace protocol::pg;
  start(protocol::postgres());
  const std::string ready = message('Z', "I"), start_up = message('R', "\0\0\0\0"s) + ready;
  const std::string rows = message('D', std::string(1000, 'x')) + message('C', "SELECT 1\0"s) + ready;
  const std::string other = message('D', "y" + std::string(999, 'x')) + message('C', "SELECT 1\0"s) + ready;
  const std::string few = message('C', "UPDATE 1\0"s) + ready, more = message('C', "UPDATE 2\0"s) + ready;
  const std::string no_table = message('E', "C42P01\0\0"s) + ready, no_column = message('E', "C42703\0\0"s) + ready;
  ask(startup());
  answer(start_up);
  compare(query("SELECT"), rows, rows, start_up);
  compare(query("SELECT"), rows, other, start_up);
  compare(query("UPDATE t SET a = 1"), few, few, start_up);
  compare(query("UPDATE t SET a = 1"), few, more, start_up);
  compare(query("SELECT"), no_table, no_table, start_up);
  compare(query("SELECT"), no_table, no_column, start_up);
  compare(query("SELECT"), rows, no_column, start_up);
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 2u);
  EXPECT_EQ(counted(Outcome::kSame), 2u);
  EXPECT_EQ(counted(Outcome::kOtherStatus), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 1u);  // it cannot be told whether the rows ended in an error
}

class PairingHttp2 : public PairingBound {
 protected:
  void SetUp() override {
    start(protocol::http2());
    ask(std::string(protocol::kHttp2Preface) + settings);
  }
  void compare_get(std::uint32_t stream, const std::string& answered, const std::string& shadows) {
    protocol::Http2Encoder other;
    const std::string headers = other.headers(1, {{":status", "200"}}, protocol::kWhole);
    compare(client.headers(stream, protocol::get("/")), std::exchange(before, {}) + answered,
            settings + headers + http2_frame(0, protocol::kEnd, 1, shadows));
  }
  std::string headers(std::uint32_t stream, const protocol::Http2FieldList& more = {}) {
    protocol::Http2FieldList fields = {{":status", "200"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return service.headers(stream, fields, protocol::kWhole);
  }
  const std::string settings = http2_frame(4, 0, 0, "");
  std::string before = settings;
  protocol::Http2Encoder client, service;
};

TEST_F(PairingHttp2, OfADataFrameTheSizeIsKnown) {
  const std::string body(1000, 'x');
  compare_get(1, headers(1) + http2_frame(0, protocol::kEnd, 1, body), body);
  compare_get(3, headers(3) + http2_frame(0, protocol::kEnd, 3, body), body + "x");
  compare_get(5, headers(5) + http2_frame(0, protocol::kEnd, 5, body), "y" + body.substr(1));
  record(TAP_RESPONSE_END, "", 0);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
}

TEST_F(PairingHttp2, BeyondTheEndOfAFrameNothingIsToldButBySizeAndNothingMoreComes) {
  const std::string body(2000, 'x'), half(1000, 'x');
  const auto frames = [&](std::uint32_t stream) {
    return http2_frame(0, 0, stream, half) + http2_frame(0, protocol::kEnd, stream, half);
  };
  compare_get(1, headers(1, {{"content-length", "2000"}}) + frames(1), body);
  compare_get(3, headers(3) + http2_frame(0, protocol::kEnd, 3, "hello"), "hello");
  compare_get(5, headers(5) + http2_frame(0, protocol::kEnd, 5, "hello"), "hello");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kTruncated), 2u);
}

TEST_F(PairingHttp2, AResetIsAnAnswerToo) {
  auto request = ask(client.headers(1, protocol::get("/")));
  answer(before + headers(1) + http2_frame(3, 0, 1, std::string("\0\0\0\2", 4)));
  shadow(request[0], settings + http2_frame(3, 0, 1, std::string("\0\0\0\2", 4)));
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingHttp2, AnAnswerMayComeBeforeItsRequestIsWhole) {
  ask(client.headers(1, protocol::post("/"), protocol::kWhole));
  answer(before + service.headers(1, {{":status", "413"}}));
  auto request = ask(http2_frame(0, protocol::kEnd, 1, "all of it"));
  ASSERT_EQ(request.size(), 1u);
  protocol::Http2Encoder other;
  shadow(request[0], settings + other.headers(1, {{":status", "413"}}));
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

}  // namespace
}  // namespace gnomon::compare
