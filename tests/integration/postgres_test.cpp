// The framer and the client against real PostgreSQL: what psql and pgbench send to one server is framed, and spoken by
// the client to a second.
#include <algorithm>
#include <string>
#include <vector>

#include "agent/protocol/postgres/postgres.h"
#include "gtest/gtest.h"
#include "tests/integration/postgres_fixture.h"

namespace gnomon::protocol::pg {
namespace {

std::vector<std::vector<Request>> frame(const RecordingProxy& proxy) {
  return protocol::frame(proxy, postgres());
}

class Connection : public Dialogue {
 public:
  explicit Connection(std::uint16_t port) : Dialogue(port, postgres(), {PostgresServer::kPassword}) {}
};

std::vector<Answer> replay(const std::vector<Request>& units, std::uint16_t port) {
  return Connection(port).exchange(units);
}

const std::string kTables =
    "CREATE TABLE orders (id serial PRIMARY KEY, what text); "
    "INSERT INTO orders (what) SELECT 'thing ' || i FROM generate_series(1, 100) i";

class Postgres : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = missing_for_postgres(); !missing.empty()) GTEST_SKIP() << missing;
  }
};

TEST_F(Postgres, ReplayedSessionOfPsqlLeavesTheSecondServerAsItLeftTheFirst) {
  const PostgresServer first("scram-sha-256"), second("scram-sha-256");
  const RecordingProxy proxy(first.port());
  const std::string printed =
      run_client("psql -Xq <<'EOF'\n" + kTables +
                     ";\nSET search_path TO public;\nSELECT count(*) FROM orders;\nBEGIN;\nUPDATE orders SET what = "
                     "'it''s; \"x\"' WHERE id = 3;\n"
                     "SAVEPOINT s;\nDELETE FROM orders;\nROLLBACK TO s;\nCOMMIT;\n\\copy orders (what) FROM PROGRAM "
                     "'printf \"a\\nb\\n\"'\n"
                     "\\copy missing FROM PROGRAM 'echo a'\nSELECT 1/0;\nDO $$ BEGIN PERFORM 1; END $$;\n"
                     "COPY orders TO STDOUT;\nPREPARE p AS SELECT 1;\nEXECUTE p;\nEOF",
                 proxy.port());
  const auto connections = frame(proxy);
  ASSERT_EQ(connections.size(), 1u) << printed;
  const auto answers = replay(connections[0], second.port());
  ASSERT_EQ(answers.size(), connections[0].size());
  EXPECT_EQ(errors(answers), 2u) << printed;  // the division, and the table that is missing
  const std::string rows = "SELECT id, what FROM orders ORDER BY id";
  EXPECT_EQ(first.ask(rows), second.ask(rows));
  EXPECT_NE(first.ask(rows).find("it's; \"x\""), std::string::npos);
}

TEST_F(Postgres, EveryUnitOfPgbenchIsAnsweredInEachOfItsModes) {
  const PostgresServer first("trust"), second("trust");
  for (const PostgresServer* server : {&first, &second}) run_client("pgbench -iq -s 1", server->port());
  for (const std::string mode : {"simple", "extended", "prepared"}) {
    const RecordingProxy proxy(first.port());
    const std::string printed = run_client(
        "pgbench -n -c 1 -t 50 --random-seed=7 -M " + mode + "; pgbench -n -S -c 2 -t 50 -M " + mode, proxy.port());
    std::size_t units = 0, transactions = 0;
    for (const auto& connection : frame(proxy)) {
      if (connection.empty()) continue;
      const auto answers = replay(connection, second.port());
      ASSERT_EQ(answers.size(), connection.size()) << mode;
      EXPECT_EQ(errors(answers), 0u) << mode;
      for (const Request& unit : connection) {
        ++units;
        if (unit.endpoint == "BEGIN UPDATE pgbench_accounts") {
          ++transactions;
          EXPECT_TRUE(unit.write);
        } else if (unit.endpoint !=
                   "SELECT pg_class") {  // pgbench's look at the catalogue: its alias o(n) reads as a call
          EXPECT_FALSE(unit.write) << unit.endpoint;
        }
      }
    }
    EXPECT_EQ(transactions, 50u) << mode << printed;
    EXPECT_GE(units, 150u) << mode;
    const std::string sums =
        "SELECT sum(abalance) FROM pgbench_accounts UNION ALL SELECT sum(bbalance) FROM pgbench_branches";
    EXPECT_EQ(first.ask(sums), second.ask(sums)) << mode;
  }
}

// As the replayer does without writes: some units are left out, others go out on connections that were opened later.
TEST_F(Postgres, AnyUnitFindsItsSessionOnAnyConnection) {
  const PostgresServer first("trust"), second("trust");
  for (const PostgresServer* server : {&first, &second}) run_client("pgbench -iq -s 1", server->port());
  const RecordingProxy proxy(first.port());
  run_client("pgbench -n -c 1 -t 20 -S -M prepared", proxy.port());
  run_client(
      "psql -Xq -c \"SET application_name = 'x'\" -c \"PREPARE p AS SELECT aid FROM pgbench_accounts\" -c 'EXECUTE p' "
      "-c 'SET work_mem = 1000' -c 'DEALLOCATE p' -c 'PREPARE p AS SELECT 1' -c 'EXECUTE p'",
      proxy.port());
  std::size_t tried = 0;
  for (const auto& units : frame(proxy)) {
    if (units.empty()) continue;
    Connection even(second.port()), odd(second.port());
    for (std::size_t i = 0; i < units.size(); ++i, ++tried) {
      const auto fresh = replay({units[i]}, second.port());
      ASSERT_EQ(fresh.size(), 1u) << units[i].endpoint;
      EXPECT_FALSE(fresh[0].error) << units[i].endpoint;
      const auto alternating = (i % 2 == 0 ? even : odd).exchange({units[i]});
      ASSERT_EQ(alternating.size(), 1u) << units[i].endpoint;
      EXPECT_FALSE(alternating[0].error) << units[i].endpoint;
      EXPECT_EQ(alternating[0].size, fresh[0].size);
    }
  }
  EXPECT_GE(tried, 27u);
}

TEST_F(Postgres, AnswersEveryChallengeThatAPasswordCan) {
  for (const std::string authentication : {"trust", "password", "md5", "scram-sha-256"}) {
    const PostgresServer server(authentication);
    const RecordingProxy proxy(server.port());
    run_client("psql -Xqc 'SELECT 1'", proxy.port());
    std::size_t answered = 0;
    for (const auto& connection : frame(proxy)) {
      for (const Request& unit : connection) {
        EXPECT_EQ(unit.bytes->find(PostgresServer::kPassword), std::string::npos);
        EXPECT_EQ(unit.prelude->find(PostgresServer::kPassword), std::string::npos);
      }
      answered += replay(connection, server.port()).size();
    }
    EXPECT_EQ(answered, 1u) << authentication;
  }
}

}  // namespace
}  // namespace gnomon::protocol::pg
