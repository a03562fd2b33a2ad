#include <string>
#include <vector>

#include "agent/protocol/redis/client.h"
#include "agent/protocol/redis/framer.h"
#include "agent/protocol/redis/redis.h"
#include "gtest/gtest.h"
#include "tests/unit/framed.h"

namespace gnomon::protocol {
namespace {

using State = RequestFramer::State;

std::string command(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return out;
}

const std::string kSession = command({"AUTH", "user", "secret"}) + command({"SELECT", "2"}) + "PING\r\n" +
                             command({"get", "k"}) + command({"SET", "k", "a\r\nb"}) + command({"WATCH", "k"}) +
                             command({"GET", "k"}) + command({"MULTI"}) + command({"INCR", "n"}) + command({"EXEC"}) +
                             command({"CONFIG", "GET", "*"}) + command({"BLPOP", "l", "0"}) + command({"FROBNICATE"}) +
                             "*0\r\n\r\n" + command({"SELECT", "3"}) +
                             command({"XREAD", "BLOCK", "5", "STREAMS", "s", "0"}) + command({"QUIT"});

TEST(RedisFramer, FramesCommandsAndTransactionsHoweverTheStreamIsSplit) {
  const std::vector<std::string> endpoints = {"PING",  "GET",     "SET",   "MULTI", "CONFIG GET",
                                              "BLPOP", "UNKNOWN", "XREAD", "QUIT"};
  for (std::size_t piece = 1; piece <= kSession.size(); ++piece) {
    const Outcome outcome = frame<resp::Framer>(kSession, piece);
    ASSERT_EQ(outcome.requests.size(), endpoints.size()) << piece;
    for (std::size_t i = 0; i < endpoints.size(); ++i) EXPECT_EQ(outcome.requests[i].endpoint, endpoints[i]);
    EXPECT_EQ(outcome.state, State::kFraming);
    EXPECT_FALSE(outcome.mid_message);
  }
}

TEST(RedisFramer, TellsWhatWritesWhatIsNeverReplayedAndHowManyRepliesThereAre) {
  const auto requests = frame<resp::Framer>(kSession).requests;
  const std::vector<bool> writes = {false, false, true, true, false, true, true, true, true};
  const std::vector<bool> replayable = {true, true, true, true, true, false, true, false, false};
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].write, writes[i]) << requests[i].endpoint;
    EXPECT_EQ(requests[i].replayable, replayable[i]) << requests[i].endpoint;
    EXPECT_EQ(requests[i].replies, requests[i].endpoint == "MULTI" ? 5u : 1u);
  }
}

TEST(RedisFramer, KeepsWhatTheSessionNeedsInThePrelude) {
  const auto requests = frame<resp::Framer>(kSession).requests;
  const std::string auth = command({"AUTH", "user", "secret"});
  EXPECT_EQ(*requests[1].prelude, auth + command({"SELECT", "2"}));
  EXPECT_EQ(requests[1].prelude, requests[2].prelude) << "shared until it changes";
  EXPECT_EQ(*requests[7].prelude, auth + command({"SELECT", "3"}));
}

TEST(RedisFramer, RefusesWhatIsNotCertain) {
  for (const std::string bad : {"*x\r\n", "*1\r\n+4\r\nPING\r\n", "*1\r\n$4\r\nPINGxx", "*01\r\n", "*1\n$4\r\n",
                                "*1\r\n$-1\r\n", "get \"k\r\n", "*1234567890123456789012345\r\n"})
    for (std::size_t piece = 1; piece <= bad.size(); ++piece)
      EXPECT_EQ(frame<resp::Framer>(bad, piece).state, State::kUnparsable) << bad;
  EXPECT_EQ(frame<resp::Framer>("*2\r\n$3\r\nGET\r\n$99999999\r\n").state, State::kOversized);
  EXPECT_EQ(frame<resp::Framer>(command({"MONITOR"})).state, State::kUpgraded);
  EXPECT_TRUE(frame<resp::Framer>(command({"MULTI"})).mid_message);
}

TEST(RedisFramer, JoinsAtACommandThatFollowsASend) {
  EXPECT_TRUE(frame<resp::Framer>("lo\r\n" + command({"GET", "k"}), std::string::npos, true).requests.empty());
  EXPECT_EQ(frame<resp::Framer>(command({"GET", "k"}), 3, true).requests.size(), 1u);
}

TEST(RedisProtocol, NamesTheFirstKey) {
  const auto requests = frame<resp::Framer>(kSession).requests;
  EXPECT_EQ(redis().key(requests[1], "key"), redis().key(requests[2], "key"));
  EXPECT_TRUE(redis().key(requests[1], "key").has_value());
  EXPECT_FALSE(redis().key(requests[0], "key").has_value());
  EXPECT_FALSE(redis().key(requests[1], "user").has_value());
}

TEST(RedisClient, MatchesAnswersHoweverTheyAreSplit) {
  const auto requests = frame<resp::Framer>(kSession).requests;
  const std::string replies =
      "+OK\r\n+OK\r\n"  // of the prelude
      "+PONG\r\n>2\r\n+a\r\n$1\r\nb\r\n|1\r\n+ttl\r\n:1\r\n%1\r\n+k\r\n*-1\r\n-ERR no\r\n"
      "+OK\r\n$-1\r\n+OK\r\n+QUEUED\r\n*2\r\n:1\r\n*1\r\n-WRONGTYPE x\r\n";
  for (std::size_t piece = 1; piece <= replies.size(); ++piece) {
    resp::RedisClient client({});
    std::string out;
    client.start(requests[0], out);
    for (std::size_t i = 0; i < 4; ++i) client.send(requests[i], i, out);
    std::vector<Answer> answers;
    for (std::size_t at = 0; at < replies.size(); at += piece)
      ASSERT_TRUE(client.receive(bytes_of(std::string_view(replies).substr(at, piece)), answers, out));
    ASSERT_EQ(answers.size(), 4u);
    const std::vector<bool> errors = {false, false, true, true};
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(answers[i].tag, i);
      EXPECT_EQ(answers[i].error, errors[i]) << i;
    }
    EXPECT_FALSE(client.receive(bytes_of("+more\r\n"), answers, out)) << "nobody asked";
  }
}

TEST(RedisClient, SaysOnlyWhatIsNewOfAChangedSession) {
  const auto requests = frame<resp::Framer>(kSession).requests;
  resp::RedisClient client({});
  std::string out;
  client.start(requests[0], out);
  EXPECT_EQ(out, *requests[0].prelude);
  out.clear();
  client.send(requests[7], 1, out);
  EXPECT_EQ(out, command({"SELECT", "3"}) + *requests[7].bytes);
}

}  // namespace
}  // namespace gnomon::protocol
