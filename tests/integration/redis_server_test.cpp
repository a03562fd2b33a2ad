// The framer and the client against a real Redis: what redis-benchmark and redis-cli say to one server is framed, and
// said by the client to a second.
#include "agent/protocol/redis/redis.h"
#include "gtest/gtest.h"
#include "tests/integration/conformance.h"

namespace gnomon::protocol {
namespace {

class RedisServer : public testing::Test {
 protected:
  void SetUp() override {
    if (program_path("redis-server").empty() || program_path("redis-benchmark").empty())
      GTEST_SKIP() << "needs redis-server and redis-tools";
  }
  static std::vector<std::string> arguments(std::uint16_t port, const shadow::TemporaryDirectory& directory) {
    return {program_path("redis-server"),
            "--port",
            std::to_string(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            directory.path(),
            "--enable-debug-command",
            "yes"};
  }
  static std::string ask(const Server& server, const std::string& command) {
    return output_of("redis-cli -p " + std::to_string(server.port()) + " " + command);
  }
};

TEST_F(RedisServer, HoldsWhatAnotherHoldsAfterReplayOfABenchmark) {
  const Server first(arguments), second(arguments);
  const RecordingProxy proxy(first.port());
  const std::string printed =
      output_of("redis-benchmark -q -c 4 -n 200 -P 8 -p " + std::to_string(proxy.port()) +
                " -t set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset");
  std::size_t units = 0;
  for (const auto& connection : frame(proxy, redis())) {
    if (connection.empty()) continue;
    const auto answers = Dialogue(second.port(), redis()).exchange(connection);
    ASSERT_EQ(answers.size(), connection.size()) << printed;
    EXPECT_EQ(errors(answers), 0u) << printed;
    units += answers.size();
  }
  EXPECT_GE(units, 13u * 200) << printed;
  EXPECT_EQ(ask(first, "DEBUG DIGEST"), ask(second, "DEBUG DIGEST"));
  EXPECT_NE(ask(first, "DBSIZE"), "0\n");
}

const std::string kSession = R"~(SELECT 3
SET a 1
MULTI
INCR a
GET a
EXEC
LLEN a
EVAL "return redis.call('SET', KEYS[1], ARGV[1])" 1 b 2
XADD s 1-1 f v
XREAD COUNT 5 STREAMS s 0
WATCH a
MULTI
SET a 9
DISCARD
HSET h f "with \"quotes\" and \r\n line end"
HGETALL h
OBJECT ENCODING h
CLIENT SETNAME tester
CLIENT GETNAME
CONFIG GET maxmemory
NOSUCHCOMMAND x
SELECT 0
SET c 3
GET c
)~";

TEST_F(RedisServer, AnswersASessionOfRedisCliInBothProtocolVersions) {
  for (const std::string version : {"-2", "-3"}) {
    const Server first(arguments), second(arguments);
    const RecordingProxy proxy(first.port());
    const std::string printed =
        output_of("redis-cli " + version + " -p " + std::to_string(proxy.port()) + " <<'EOF'\n" + kSession + "EOF");
    const auto connections = frame(proxy, redis());
    ASSERT_EQ(connections.size(), 1u) << printed;
    const auto answers = Dialogue(second.port(), redis()).exchange(connections[0]);
    ASSERT_EQ(answers.size(), connections[0].size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::string& endpoint = connections[0][i].endpoint;
      EXPECT_EQ(answers[i].error, endpoint == "LLEN" || endpoint == "UNKNOWN") << endpoint;
    }
    EXPECT_EQ(errors(answers), 2u) << printed;
    EXPECT_EQ(ask(first, "DEBUG DIGEST"), ask(second, "DEBUG DIGEST"));
    EXPECT_EQ(ask(second, "-n 3 GET a"), "2\n");
    EXPECT_EQ(ask(second, "-n 0 GET c"), "3\n");
    // Each read finds the session it was said in on a connection of its own.
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const Request& unit = connections[0][i];
      if (unit.write) continue;
      const auto alone = Dialogue(second.port(), redis()).exchange({unit});
      ASSERT_EQ(alone.size(), 1u) << unit.endpoint;
      EXPECT_EQ(alone[0].error, answers[i].error) << unit.endpoint;
      EXPECT_EQ(alone[0].size, answers[i].size) << unit.endpoint;
    }
  }
}

TEST_F(RedisServer, TakesTheCredentialsThatWereSaid) {
  const auto with_password = [](std::uint16_t port, const shadow::TemporaryDirectory& directory) {
    auto all = arguments(port, directory);
    all.insert(all.end(), {"--requirepass", "secret"});
    return all;
  };
  const Server first(with_password), second(with_password);
  const RecordingProxy proxy(first.port());
  output_of("redis-cli --no-auth-warning -a secret -p " + std::to_string(proxy.port()) + " SET a 1");
  for (const auto& connection : frame(proxy, redis())) {
    const auto answers = Dialogue(second.port(), redis()).exchange(connection);
    ASSERT_EQ(answers.size(), connection.size());
    EXPECT_EQ(errors(answers), 0u);
  }
  EXPECT_EQ(ask(second, "--no-auth-warning -a secret GET a"), "1\n");
}

}  // namespace
}  // namespace gnomon::protocol
