#include <string>
#include <vector>

#include "agent/protocol/postgres/statement.h"
#include "gtest/gtest.h"

namespace gnomon::protocol::pg {
namespace {

using Kind = Statement::Kind;

std::vector<Statement> statements(std::string_view sql) {
  std::vector<Statement> all;
  for (Statement statement; take_statement(sql, statement);)
    if (statement.kind != Kind::kEmpty) all.push_back(statement);
  return all;
}

bool writes(std::string_view sql) {
  const auto all = statements(sql);
  EXPECT_EQ(all.size(), 1u) << sql;
  return all.empty() || all[0].write || all[0].calls_unknown;
}

TEST(PostgresSql, KnowsReads) {
  for (const char* sql :
       {"SELECT 1",
        "select * from t where a = $1",
        "(select 1) union (select 2)",
        "/* c */ -- d\nSELECT 1",
        "SELECT count(*), max(a), coalesce(b, 0) FROM t WHERE a IN (1, 2) AND EXISTS (SELECT 1 FROM u)",
        "SELECT a::numeric(10,2), b::varchar(3) FROM t",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "VALUES (1), (2)",
        "TABLE t",
        "SHOW search_path",
        "EXPLAIN SELECT 1",
        "EXPLAIN (COSTS OFF) DELETE FROM t",
        "FETCH 10 FROM c",
        "COPY t TO STDOUT",
        "COPY (SELECT * FROM t) TO STDOUT WITH CSV",
        "DECLARE c CURSOR FOR SELECT 1",
        "SELECT 'INSERT INTO t'",
        "SELECT E'it\\'s; DELETE FROM t'",
        "SELECT $$; update t set a = 1$$",
        "SELECT $q$ $$ delete $q$",
        "SELECT \"update\" FROM t",
        "SELECT 1 /* ; /* nested */ delete */",
        "BEGIN",
        "COMMIT",
        "ROLLBACK TO s",
        "SET x = 1",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT extract(epoch FROM now())",
        "SELECT substring(a FROM 1 FOR 2) FROM t",
        "select sum(a) over (partition by b order by c) from t",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 12;"})
    EXPECT_FALSE(writes(sql)) << sql;
}

TEST(PostgresSql, TakesWhatItDoesNotKnowForAWrite) {
  for (const char* sql : {"INSERT INTO t VALUES (1)",
                          "UPDATE t SET a = 1",
                          "DELETE FROM t",
                          "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
                          "SELECT * FROM t FOR UPDATE",
                          "SELECT * FROM t FOR NO KEY UPDATE",
                          "SELECT * FROM t FOR SHARE",
                          "SELECT * FROM t FOR /* x */ KEY SHARE",
                          "SELECT * INTO u FROM t",
                          "SELECT nextval('s')",
                          "SELECT pg_catalog.setval('s', 1)",
                          "SELECT pg_advisory_lock(1)",
                          "SELECT my_function(1)",
                          "SELECT * FROM my_function (1)",
                          "SELECT \"MyFunction\"(1)",
                          "SELECT set_config('a', 'b', false)",
                          "SELECT count(nextval('s'))",
                          "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
                          "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
                          "EXPLAIN ANALYZE SELECT 1",
                          "EXPLAIN (ANALYZE) SELECT 1",
                          "COPY t FROM STDIN",
                          "COPY t (a, b) FROM STDIN WITH CSV",
                          "COPY t TO '/tmp/x'",
                          "COPY t TO PROGRAM 'cat'",
                          "COPY (DELETE FROM t RETURNING *) TO STDOUT",
                          "COPY (SELECT f(1)) TO STDOUT",
                          "CREATE TABLE t ()",
                          "DROP TABLE t",
                          "VACUUM",
                          "CALL p()",
                          "DO $$ BEGIN END $$",
                          "NOTIFY c",
                          "LOCK TABLE t",
                          "TRUNCATE t",
                          "COMMIT PREPARED 'x'",
                          "PREPARE TRANSACTION 'x'",
                          "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                          "SELECT 'unterminated",
                          "SELEC 1",
                          "SELECT 1 /* unterminated",
                          "EXECUTE p(nextval('s'))",
                          "VALUES (nextval('s'))",
                          "@"})
    EXPECT_TRUE(writes(sql)) << sql;
}

TEST(PostgresSql, SplitsAtSemicolonsOfTheStatementItself) {
  EXPECT_EQ(statements("SELECT ';'; SELECT $a$;$a$ ; -- ;\n /* ; */ SELECT \";\";;").size(), 3u);
  EXPECT_EQ(statements("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 1").size(), 2u);
  EXPECT_EQ(statements("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; COMMIT").size(), 1u);
  EXPECT_TRUE(statements(" ; /* nothing */ ;; -- \n").empty());
}

TEST(PostgresSql, KnowsWhatBoundsTransactions) {
  const auto kind = [](const char* sql) { return statements(sql).at(0).kind; };
  EXPECT_EQ(kind("begin"), Kind::kBegin);
  EXPECT_EQ(kind("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY"), Kind::kBegin);
  EXPECT_TRUE(statements("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY").at(0).read_only);
  EXPECT_FALSE(statements("BEGIN READ WRITE").at(0).read_only);
  EXPECT_EQ(kind("END"), Kind::kCommit);
  EXPECT_EQ(kind("COMMIT WORK AND NO CHAIN"), Kind::kCommit);
  EXPECT_EQ(kind("COMMIT AND CHAIN"), Kind::kChain);
  EXPECT_EQ(kind("ABORT"), Kind::kRollback);
  EXPECT_EQ(kind("ROLLBACK TO SAVEPOINT s"), Kind::kOrdinary);
  EXPECT_EQ(kind("ROLLBACK PREPARED 'x'"), Kind::kOrdinary);
}

TEST(PostgresSql, NamesTheSettingAsTheServerDoes) {
  const auto set = [](const char* sql) {
    const Statement statement = statements(sql).at(0);
    return statement.kind == Kind::kSet ? statement.name : "";
  };
  EXPECT_EQ(set("SET Search_Path TO a, b"), "search_path");
  EXPECT_EQ(set("SET SESSION app.user = 'x'"), "app.user");
  EXPECT_EQ(set("SET TIME ZONE 'UTC'"), "timezone");
  EXPECT_EQ(set("SET NAMES 'UTF8'"), "client_encoding");
  EXPECT_EQ(set("RESET work_mem"), "work_mem");
  EXPECT_EQ(set("SET LOCAL work_mem = 1"), "");
  EXPECT_EQ(statements(" SET a = 'b;c' ; SELECT 1").at(0).text, " SET a = 'b;c'");
  EXPECT_EQ(statements("SET standard_conforming_strings = off").at(0).kind, Kind::kUnreplayable);
  EXPECT_EQ(statements("SET client_encoding TO 'SJIS'").at(0).kind, Kind::kUnreplayable);
  EXPECT_EQ(statements("LISTEN x").at(0).kind, Kind::kUnreplayable);
}

TEST(PostgresSql, ClassesStatementsByVerbAndFirstRelation) {
  const auto endpoint = [](const char* sql) { return statements(sql).at(0).endpoint; };
  EXPECT_EQ(endpoint("SELECT a FROM Orders o JOIN items ON true"), "SELECT orders");
  EXPECT_EQ(endpoint("SELECT extract(year FROM d) FROM tenant_7.orders_2024"), "SELECT orders_{}");
  EXPECT_EQ(endpoint("SELECT a IS DISTINCT FROM b FROM t"), "SELECT t");
  EXPECT_EQ(endpoint("SELECT * FROM (SELECT 1 FROM ONLY u) x"), "SELECT u");
  EXPECT_EQ(endpoint("INSERT INTO \"Orders\" VALUES (1)"), "INSERT orders");
  EXPECT_EQ(endpoint("UPDATE ONLY t SET a = (SELECT 1 FROM u)"), "UPDATE t");
  EXPECT_EQ(endpoint("delete from t"), "DELETE t");
  EXPECT_EQ(endpoint("COPY t FROM STDIN"), "COPY t");
  EXPECT_EQ(endpoint("WITH x AS (SELECT 1 FROM t) SELECT * FROM x"), "WITH t");
  EXPECT_EQ(endpoint("SELECT 1"), "SELECT");
  EXPECT_EQ(endpoint("FROBNICATE secret"), "OTHER");
}

}  // namespace
}  // namespace gnomon::protocol::pg
