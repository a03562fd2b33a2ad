// What lies beyond the bound, or was lost, in each protocol: as much is told as is certain, and what comes after it
// goes on where it surely begins.

#include "tests/unit/pairing_bound.h"

namespace gnomon::compare {
namespace {

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
  std::string value(1000, 'x');
  value += "\r\n";
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

}  // namespace
}  // namespace gnomon::compare
