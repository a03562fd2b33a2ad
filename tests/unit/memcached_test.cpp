#include <string>
#include <vector>

#include "agent/protocol/memcached/client.h"
#include "agent/protocol/memcached/command.h"
#include "agent/protocol/memcached/framer.h"
#include "agent/protocol/memcached/memcached.h"
#include "gtest/gtest.h"
#include "tests/unit/framed.h"

namespace gnomon::protocol {
namespace {

using State = RequestFramer::State;

struct Expectation {
  std::string bytes, endpoint;
  bool write;
  std::uint32_t replies;
};
const std::vector<Expectation> kUnits = {
    {"get a b c\r\n", "get", false, 1},
    {"gets a\n", "gets", false, 1},
    {"gat 10 a\r\n", "gat", true, 1},
    {"set a 0 0 6\r\nget\r\nb\r\n", "set", true, 1},
    {"set a 0 -1 0 noreply\r\n\r\n", "set", true, 0},
    {"cas a 1 0 1 99\r\nx\r\n", "cas", true, 1},
    {"append a 0 0 1\r\n\n\r\n", "append", true, 1},
    {"delete a\r\n", "delete", true, 1},
    {"delete a 0 noreply\r\n", "delete", true, 0},
    {"incr a 5\r\n", "incr", true, 1},
    {"touch a 5 noreply\r\n", "touch", true, 0},
    {"stats items\r\n", "stats", false, 1},
    {"stats reset\r\n", "stats", true, 1},
    {"version\r\n", "version", false, 1},
    {"flush_all 10 noreply\r\n", "flush_all", true, 0},
    {"mg a v k q\r\nmg b v q\r\n", "mg", false, 0},  // ended by mn, which the client says
    {"mn\r\n", "mn", false, 1},
    {"mg a v q\r\nmg b\r\n", "mg", false, 0},  // ended by one with a reply
    {"mg YQ== b v t\r\n", "mg", false, 1},
    {"mg a N30 v\r\n", "mg", true, 1},
    {"ms a 2 q\r\nmn\r\n", "ms", true, 0},  // ended by another command; the mn is data
    {"md a q\r\n", "md", true, 0},
    {"ma a N0 J13 v\r\n", "ma", true, 1},
    {"me a\r\n", "me", false, 1},
};

std::string stream_of_units() {
  std::string stream;
  for (const auto& unit : kUnits) {
    stream += unit.bytes;
    if (unit.bytes == kUnits[15].bytes) stream += "mn\r\n";
  }
  return stream;
}

TEST(MemcachedFramer, FramesEachFormHoweverTheStreamIsSplit) {
  const std::string stream = stream_of_units();
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    const Outcome outcome = frame<mc::Framer>(stream, piece);
    ASSERT_EQ(outcome.requests.size(), kUnits.size()) << piece;
    for (std::size_t i = 0; i < outcome.requests.size(); ++i) {
      const Request& request = outcome.requests[i];
      EXPECT_EQ(*request.bytes, kUnits[i].bytes);
      EXPECT_EQ(request.endpoint, kUnits[i].endpoint);
      EXPECT_EQ(request.write, kUnits[i].write) << kUnits[i].bytes;
      EXPECT_EQ(request.replies, kUnits[i].replies) << kUnits[i].bytes;
      EXPECT_TRUE(request.replayable);
      EXPECT_EQ(request.protocol, &memcached());
    }
    EXPECT_EQ(outcome.state, State::kFraming);
    EXPECT_FALSE(outcome.mid_message);
  }
}

TEST(MemcachedFramer, RefusesWhatIsNotCertain) {
  for (const std::string bad : {"GET a\r\n", "get\r\n", "set a 0 0\r\n", "set a 0 0 x\r\nx\r\n", "set a 0 0 1\r\nxyz",
                                "set a 0 0 1 again\r\nx\r\n", "incr a b\r\n", "ms a T90 2\r\nab\r\n", "mg a 1\r\n",
                                "frobnicate a\r\n", "get a\rb\r\n", "\r\n", "set a 0 0 18446744073709551616\r\n"})
    for (std::size_t piece = 1; piece <= bad.size(); ++piece) {
      EXPECT_EQ(frame<mc::Framer>(bad, piece).state, State::kUnparsable) << bad;
      EXPECT_TRUE(frame<mc::Framer>(bad, piece).requests.empty()) << bad;
    }
  EXPECT_EQ(frame<mc::Framer>("get " + std::string(251, 'k') + "\r\n").state, State::kUnparsable);
  EXPECT_EQ(frame<mc::Framer>("watch fetchers\r\nget a\r\n").state, State::kUpgraded);
}

TEST(MemcachedFramer, BoundsWhatItHolds) {
  const Limits limits{.header_bytes = 100, .message_bytes = 200};
  const std::string long_line = "get " + std::string(60, 'k') + " " + std::string(60, 'l') + "\r\n";
  for (std::size_t piece = 1; piece <= long_line.size(); ++piece)
    EXPECT_EQ(frame<mc::Framer>(long_line, piece, false, limits).state, State::kOversized);
  EXPECT_EQ(frame<mc::Framer>("set a 0 0 200\r\n", 1, false, limits).state, State::kOversized);
  EXPECT_EQ(frame<mc::Framer>("set a 0 0 18446744073709551615\r\n", 1, false, limits).state, State::kOversized);
}

TEST(MemcachedFramer, CutsARunOfQuietCommandsThatDoesNotEnd) {
  std::string stream;
  for (int i = 0; i < 1000; ++i) stream += "md k q\r\n";
  const Outcome outcome = frame<mc::Framer>(stream);
  ASSERT_EQ(outcome.requests.size(), 3u);
  EXPECT_EQ(outcome.requests[0].bytes->size(), 256 * 8u);
  EXPECT_TRUE(outcome.mid_message);
}

TEST(MemcachedFramer, NeverReplaysWhatEndsOrOperatesTheService) {
  for (const std::string bytes : {"quit\r\n", "shutdown\r\n", "slabs automove 1\r\n", "lru_crawler metadump all\r\n"}) {
    const Outcome outcome = frame<mc::Framer>(bytes);
    ASSERT_EQ(outcome.requests.size(), 1u) << bytes;
    EXPECT_FALSE(outcome.requests[0].replayable) << bytes;
  }
  EXPECT_EQ(frame<mc::Framer>("quit\r\nget a\r\n").requests.size(), 1u);
}

TEST(MemcachedFramer, JoinsAtACommandThatFollowsASend) {
  const auto joined = frame<mc::Framer>("get a\r\nset b 0 0 1\r\nx\r\n", std::string::npos, true);
  EXPECT_EQ(joined.requests.size(), 2u);
  mc::Framer framer(1, true, {});
  std::vector<Request> requests;
  framer.feed(bytes_of("get a\r\n"), {}, false, requests);
  EXPECT_TRUE(requests.empty()) << "the service has not sent";
  framer.feed(bytes_of("middle of data\r\nget a\r\n"), {}, true, requests);
  EXPECT_TRUE(requests.empty());
  EXPECT_EQ(framer.state(), State::kJoining);
  framer.feed(bytes_of("get b\r\n"), {}, true, requests);
  EXPECT_EQ(requests.size(), 1u);
  EXPECT_EQ(framer.state(), State::kFraming);
}

TEST(Memcached, IsToldFromRedisAndHttp) {
  using Match = Protocol::Match;
  for (const char* const first : {"get a\r\n", "set a 0 0 1\r\nx", "mg a v\r\n", "version\r\n", "stats\n"})
    EXPECT_EQ(memcached().match(first), Match::kYes) << first;
  for (const char* const first : {"GET / HTTP/1.1\r\n", "*1\r\n$4\r\nPING\r\n", "ping\r\n", "set a b\r\n", "\x80"})
    EXPECT_EQ(memcached().match(first), Match::kNo) << first;
  EXPECT_EQ(memcached().match("set a 0"), Match::kMaybe);
}

TEST(Memcached, KeysAreTheFirstOfTheUnit) {
  const auto key = [](const std::string& bytes) {
    return memcached().key(frame<mc::Framer>(bytes).requests.at(0), "key");
  };
  EXPECT_EQ(key("get a b\r\n"), key("set a 0 0 1\r\nx\r\n"));
  EXPECT_EQ(key("gat 10 a\r\n"), key("mg a q\r\nmg b\r\n"));
  EXPECT_NE(key("get a\r\n"), key("get b\r\n"));
  EXPECT_EQ(key("version\r\n"), std::nullopt);
}

// ---- the client

struct Dialogue {
  std::vector<Answer> answers;
  std::string said;
  bool understood = true;
};

Dialogue exchange(const std::string& requests, const std::string& replies, std::size_t piece = std::string::npos) {
  mc::MemcachedClient client({});
  Dialogue dialogue;
  std::uint64_t tag = 0;
  for (const Request& request : frame<mc::Framer>(requests).requests) client.send(request, tag++, dialogue.said);
  for (std::size_t at = 0; at < replies.size(); at += std::min(piece, replies.size()))
    dialogue.understood =
        client.receive(bytes_of(std::string_view(replies).substr(at, piece)), dialogue.answers, dialogue.said) &&
        dialogue.understood;
  return dialogue;
}

TEST(MemcachedClient, MatchesAnswersToRequestsHoweverTheyAreSplit) {
  const std::string replies =
      "VALUE a 0 5\r\nEND\r\n\r\nVALUE b 0 0 7\r\n\r\nEND\r\n"  // to get
      "STORED\r\n"
      "SERVER_ERROR out of memory storing object\r\n"
      "STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n"
      "VA 2 s2\r\nMN\r\nHD\r\nMN\r\n"  // to quiet ones, and the sign
      "MN\r\n"                         // to the noreply's sign
      "17\r\n";
  const std::string requests =
      "get a b\r\nset a 0 0 1\r\nx\r\nset a 0 0 1\r\nx\r\nstats\r\nmg a v q\r\nmg b v q\r\nmg c\r\ndelete a noreply\r\n"
      "incr a 1\r\n";
  for (std::size_t piece = 1; piece <= replies.size(); ++piece) {
    const Dialogue dialogue = exchange(requests, replies, piece);
    EXPECT_TRUE(dialogue.understood);
    ASSERT_EQ(dialogue.answers.size(), 7u) << piece;
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(dialogue.answers[i].tag, i);
      EXPECT_EQ(dialogue.answers[i].error, i == 2) << i;
    }
    EXPECT_EQ(dialogue.answers[4].size, std::string("VA 2 s2\r\nMN\r\nHD\r\n").size());
  }
}

TEST(MemcachedClient, AsksForASignWhereNoReplyIsCertain) {
  EXPECT_EQ(exchange("delete a noreply\r\nget a\r\n", "").said, "delete a noreply\r\nmn\r\nget a\r\n");
  EXPECT_EQ(exchange("mg a q\r\nmg b q\r\nmn\r\n", "").said, "mg a q\r\nmg b q\r\nmn\r\n");
}

TEST(MemcachedClient, GivesUpOnWhatIsNoReply) {
  EXPECT_FALSE(exchange("get a\r\n", "HTTP/1.1 200 OK\r\n").understood);
  EXPECT_FALSE(exchange("get a\r\n", "VALUE a 0 1\r\nxyz").understood);
  EXPECT_FALSE(exchange("get a\r\n", std::string(5000, 'x')).understood);
  EXPECT_FALSE(exchange("get a\r\n", "END\r\nEND\r\n").understood) << "nobody asked";
}

}  // namespace
}  // namespace gnomon::protocol
