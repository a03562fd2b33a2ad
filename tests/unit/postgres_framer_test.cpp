#include <string>
#include <vector>

#include "agent/protocol/postgres/framer.h"
#include "agent/protocol/postgres/postgres.h"
#include "gtest/gtest.h"
#include "tests/unit/postgres_messages.h"

namespace gnomon::protocol::pg {
namespace {

using State = RequestFramer::State;

struct Outcome {
  std::vector<Request> units;
  State state = State::kFraming;
  bool mid_message = false;
};

Outcome frame(std::string_view stream, std::size_t piece = std::string::npos, const Limits& limits = {}) {
  PostgresFramer framer(7, false, limits);
  Outcome outcome;
  for (std::size_t at = 0; at < stream.size(); at += std::min(piece, stream.size()))
    framer.feed(std::as_bytes(std::span(stream.substr(at, piece))), {}, false, outcome.units);
  outcome.state = framer.state();
  outcome.mid_message = framer.mid_message();
  return outcome;
}

std::vector<std::string> bytes_of(const Outcome& outcome) {
  std::vector<std::string> all;
  for (const Request& unit : outcome.units) all.push_back(*unit.bytes);
  return all;
}

const std::string kSelect = query("SELECT a FROM orders WHERE b = 1");
const std::string kExtended = parse("", "SELECT a FROM orders WHERE b = $1") + bind("") + execute() + sync();
const std::string kTransaction = query("BEGIN") + query("UPDATE orders SET a = 1") + query("COMMIT");
const std::string kCopy = query("COPY t FROM STDIN") + message('d', "1\n") + message('c');

TEST(PostgresFramer, EndsAUnitWhereTheServiceIsReadyAgain) {
  const Outcome outcome = frame(startup() + kSelect + kExtended + kTransaction + kCopy + sync() + message('X'));
  EXPECT_EQ(bytes_of(outcome), (std::vector{kSelect, kExtended, kTransaction, kCopy, sync()}));
  EXPECT_EQ(outcome.state, State::kFraming);
  EXPECT_FALSE(outcome.mid_message);
  const std::vector<std::string> endpoints = {"SELECT orders", "SELECT orders", "BEGIN UPDATE orders", "COPY t",
                                              "SYNC"};
  const std::vector<std::uint32_t> replies = {1, 1, 3, 1, 1};
  const std::vector<bool> writes = {false, false, true, true, false};
  for (std::size_t i = 0; i < outcome.units.size(); ++i) {
    EXPECT_EQ(outcome.units[i].endpoint, endpoints[i]);
    EXPECT_EQ(outcome.units[i].replies, replies[i]);
    EXPECT_EQ(outcome.units[i].write, writes[i]);
    EXPECT_EQ(*outcome.units[i].prelude, startup());
  }
}

TEST(PostgresFramer, DoesNotCareWhereTheStreamIsSplit) {
  const std::string stream = packet(kSslRequest) + startup() + message('p', "secret\0"s) + kSelect + kExtended +
                             query("SET a = 1") + parse("s", "SELECT 1") + sync() + kTransaction + kCopy + bind("s") +
                             execute() + sync() + message('X');
  const Outcome whole = frame(stream);
  ASSERT_EQ(whole.units.size(), 7u);
  for (std::size_t piece = 1; piece < stream.size(); ++piece) {
    const Outcome split = frame(stream, piece);
    ASSERT_EQ(bytes_of(split), bytes_of(whole)) << piece;
    ASSERT_EQ(split.state, whole.state);
    ASSERT_EQ(split.mid_message, whole.mid_message);
    for (std::size_t i = 0; i < whole.units.size(); ++i) ASSERT_EQ(*split.units[i].prelude, *whole.units[i].prelude);
  }
}

TEST(PostgresFramer, NeverHandsOutAPassword) {
  const Outcome outcome = frame(startup() + message('p', "hunter2\0"s) + kSelect, 3);
  ASSERT_EQ(outcome.units.size(), 1u);
  EXPECT_EQ(outcome.units[0].prelude->find("hunter2"), std::string::npos);
  EXPECT_EQ(outcome.units[0].bytes->find("hunter2"), std::string::npos);
}

TEST(PostgresFramer, TellsANewConnectionTheSession) {
  const std::string named = parse("s", "SELECT 1");
  const Outcome outcome =
      frame(startup() + query("SET a = 1") + named + sync() + query("SET a = 2; PREPARE p AS SELECT 2") + kSelect +
            query("BEGIN; SET b = 1; ROLLBACK") + query("BEGIN; SET c = 1; COMMIT") + close_statement("s") + sync() +
            query("DEALLOCATE p; RESET ALL") + kSelect + kSelect);
  ASSERT_EQ(outcome.units.size(), 10u);
  EXPECT_EQ(*outcome.units[0].prelude, startup());
  EXPECT_EQ(*outcome.units[1].prelude, startup() + query("SET a = 1"));
  EXPECT_EQ(*outcome.units[2].prelude, startup() + query("SET a = 1") + named + sync());
  const std::string prepared = query(" PREPARE p AS SELECT 2");
  EXPECT_NE(outcome.units[3].prelude->find(query("SET a = 2")), std::string::npos);
  EXPECT_NE(outcome.units[3].prelude->find(prepared), std::string::npos);
  EXPECT_EQ(outcome.units[5].prelude->find("SET b"), std::string::npos);
  EXPECT_NE(outcome.units[6].prelude->find("SET c"), std::string::npos);
  EXPECT_EQ(outcome.units[7].prelude->find(named), std::string::npos);
  EXPECT_EQ(*outcome.units[8].prelude, startup() + query("RESET a") + query("RESET c"));
}

TEST(PostgresFramer, SharesThePreludeUntilItChanges) {
  const Outcome outcome = frame(startup() + query("SET a = 1") + kSelect + query("SET a = 1") + kSelect);
  ASSERT_EQ(outcome.units.size(), 4u);
  EXPECT_EQ(outcome.units[1].prelude, outcome.units[3].prelude);
}

TEST(PostgresFramer, KnowsAPreparedStatementWhenItIsExecuted) {
  const Outcome outcome = frame(startup() + parse("w", "DELETE FROM t WHERE a = $1") + parse("r", "SELECT 1") + sync() +
                                bind("w") + execute() + sync() + bind("r") + execute() + sync() + bind("x") +
                                execute() + sync() + query("PREPARE q AS SELECT 1 FROM u") + query("EXECUTE q"));
  ASSERT_EQ(outcome.units.size(), 6u);
  EXPECT_FALSE(outcome.units[0].write);
  EXPECT_EQ(outcome.units[0].endpoint, "PREPARE DELETE t");
  EXPECT_TRUE(outcome.units[1].write);
  EXPECT_FALSE(outcome.units[2].write);
  EXPECT_TRUE(outcome.units[3].write);
  EXPECT_FALSE(outcome.units[5].write);
}

TEST(PostgresFramer, ParsesTheUnnamedStatementAgainForALaterUnit) {
  const std::string parsed = parse("", "SELECT a FROM t WHERE b = $1"), bound = bind("") + execute() + sync();
  const Outcome outcome = frame(startup() + parsed + sync() + bound);
  EXPECT_EQ(bytes_of(outcome), (std::vector{parsed + sync(), parsed + bound}));
  EXPECT_EQ(outcome.units[1].endpoint, "SELECT t");
}

TEST(PostgresFramer, EndsACopyThatTheServiceRefused) {
  const std::string start = query("COPY t FROM STDIN"), fail = message('f', "\0"s);
  EXPECT_EQ(bytes_of(frame(startup() + start + kSelect)), (std::vector{start + fail, kSelect}));
  const std::string extended = parse("", "COPY t FROM STDIN") + bind("") + execute();
  const std::string data = message('d', "1\n") + message('c');
  EXPECT_EQ(bytes_of(frame(startup() + extended + sync() + data + sync() + kSelect)),
            (std::vector{extended + data + sync(), kSelect}));
  EXPECT_EQ(bytes_of(frame(startup() + extended + sync() + kSelect)), (std::vector{extended + fail + sync(), kSelect}));
}

TEST(PostgresFramer, TakesAnUnknownFunctionForAReadOnlyWhereTheServerSeesToIt) {
  const Outcome outcome = frame(startup() + query("SELECT f(1)") + query("BEGIN READ ONLY") + query("SELECT f(1)") +
                                query("COMMIT") + query("BEGIN READ ONLY; SELECT pg_advisory_lock(1); END"));
  ASSERT_EQ(outcome.units.size(), 3u);
  EXPECT_TRUE(outcome.units[0].write);
  EXPECT_FALSE(outcome.units[1].write);
  EXPECT_TRUE(outcome.units[2].write);
}

TEST(PostgresFramer, GivesUpWhatItCannotBeSureOf) {
  const std::string hello = "\x16\x03\x01\x02\x00\x01"s;
  const std::vector<std::pair<std::string, State>> cases = {
      {packet(kSslRequest) + hello, State::kUpgraded},
      {hello, State::kUpgraded},
      {"GET / HTTP/1.1\r\n", State::kUnparsable},
      {packet(2u << 16, "user\0a\0\0"s), State::kUnparsable},
      {packet(3u << 16, "database\0a\0\0"s), State::kUnparsable},
      {packet(3u << 16, "user\0a\0\0x"s), State::kUnparsable},
      {startup("replication\0true\0"s), State::kUnparsable},
      {startup("client_encoding\0SJIS\0"s), State::kUnparsable},
      {packet(kCancelRequest, "12345678"), State::kFraming},
      {packet(kCancelRequest, "12345678") + "x", State::kUnparsable},
      {startup() + "Q\0\0\0\3"s, State::kUnparsable},
      {startup() + message('Q', "no end"), State::kUnparsable},
      {startup() + message('d', "x"), State::kUnparsable},
      {startup() + message('?'), State::kUnparsable},
      {startup() + kSelect + message('p', "x"), State::kUnparsable},
      {startup() + parse("", "SELECT 1") + kSelect, State::kUnparsable},
      {startup() + query("LISTEN x"), State::kUnparsable},
      {startup() + message('X') + "x", State::kUnparsable},
      {startup() + "Q\x7f\0\0\0"s, State::kOversized},
      {startup() + "p\x7f\0\0\0"s, State::kUnparsable},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(frame(cases[i].first).state, cases[i].second) << i;
    EXPECT_EQ(frame(cases[i].first, 1).state, cases[i].second) << i;
  }
  EXPECT_EQ(PostgresFramer(1, true, {}).state(), State::kUnjoinable);
}

TEST(PostgresFramer, BoundsWhatItHolds) {
  std::string endless = startup() + query("BEGIN"), sessions = startup();
  for (int i = 0; i < 200; ++i) endless += kSelect;
  EXPECT_EQ(frame(endless, 100, {.message_bytes = 4096}).state, State::kOversized);
  for (int i = 0; i < 300; ++i) sessions += parse("s" + std::to_string(i), "SELECT '" + std::string(1000, 'x') + "'");
  EXPECT_EQ(frame(sessions + sync()).state, State::kOversized);
}

TEST(PostgresFramer, LeavesAnUnfinishedTransactionOut) {
  const Outcome outcome = frame(startup() + query("BEGIN") + kSelect + message('X'));
  EXPECT_TRUE(outcome.units.empty());
  EXPECT_TRUE(outcome.mid_message);
}

TEST(PostgresProtocol, MatchesAStartAndTheMiddleOfAConnection) {
  using Match = Protocol::Match;
  const auto match = [](const std::string& first) { return postgres().match(first); };
  EXPECT_EQ(match(startup()), Match::kYes);
  EXPECT_EQ(match(startup().substr(0, 8)), Match::kMaybe);
  EXPECT_EQ(match(packet(kSslRequest)), Match::kYes);
  EXPECT_EQ(match(kSelect), Match::kYes);
  EXPECT_EQ(match(kExtended), Match::kYes);
  EXPECT_EQ(match(kSelect.substr(0, 9)), Match::kMaybe);
  EXPECT_EQ(match("GET / HTTP/1.1\r\n"), Match::kNo);
  EXPECT_EQ(match("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Match::kNo);
  EXPECT_EQ(match("*1\r\n$4\r\nPING\r\n"), Match::kNo);
  EXPECT_EQ(match("\0\0\0\x1a\0\3\0\0\0\0\0\1"s), Match::kNo);  // Kafka's Metadata
}

TEST(PostgresProtocol, HashesTheUser) {
  const Outcome outcome = frame(startup() + kSelect);
  EXPECT_TRUE(postgres().key(outcome.units.at(0), "user"));
  EXPECT_FALSE(postgres().key(outcome.units.at(0), "key"));
}

}  // namespace
}  // namespace gnomon::protocol::pg
