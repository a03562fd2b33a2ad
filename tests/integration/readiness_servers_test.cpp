// Databases take connections before they are up. Their shadows are up when a client would be served.

#include <unistd.h>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "tests/integration/postgres_fixture.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using protocol::output_of;
using protocol::program_path;
using ::testing::Contains;
using ::testing::HasSubstr;

class ReadinessOfADatabase : public ShadowTest {
 protected:
  void start_shadow(std::uint16_t port) {
    ASSERT_NO_FATAL_FAILURE(find_service(port));
    begin_shadow(spec(MilliCpu{500}, Bytes{512u << 20}));
  }
  // What a client prints that runs in the shadow's network.
  std::string in_its_network(const std::string& command) {
    return output_of(fmt::format("nsenter --net=/proc/{}/ns/net {}", shadow_->pid(), command));
  }
};

constexpr Nanos kLong = std::chrono::seconds(90);  // also in an emulated machine

// Redis that takes 20 ms for each key it loads, and looks after its clients meanwhile.
TEST_F(ReadinessOfADatabase, RedisIsWhenItHasLoadedItsKeys) {
  if (program_path("redis-server").empty() || program_path("redis-cli").empty())
    GTEST_SKIP() << "needs redis-server and redis-tools";
  constexpr int kKeys = 200;
  const TemporaryDirectory files;
  const std::uint16_t port = free_port();
  const Service redis({program_path("redis-server"), "--port", std::to_string(port), "--bind", "127.0.0.1", "--save",
                       "", "--set-proc-title", "no", "--dir", files.path(), "--key-load-delay", "20000",
                       "--loading-process-events-interval-bytes", "1024"},
                      files.path());
  ASSERT_TRUE(wait_for_instance(port).ok());
  const std::string cli = fmt::format("redis-cli -p {} ", port);
  ASSERT_EQ(
      output_of(fmt::format("{} EVAL \"for i = 1, {} do redis.call('SET', 'key' .. i, string.rep(i, 2000)) end\" 0; "
                            "{} CONFIG SET rdbcompression no; {} SAVE",
                            cli, kKeys, cli, cli)),
      "\nOK\nOK\n");
  ASSERT_NO_FATAL_FAILURE(start_shadow(port));
  const auto open = shadow_->wait_ready({.timeout = kLong, .protocol = "raw"});
  ASSERT_TRUE(open.ok()) << open.status();
  ASSERT_THAT(in_its_network(cli + "DBSIZE"), HasSubstr("LOADING")) << "it has loaded too fast to tell anything";
  const auto ready = shadow_->wait_ready({.timeout = kLong});
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(in_its_network(cli + "DBSIZE"), fmt::format("{}\n", kKeys));
}

TEST_F(ReadinessOfADatabase, PostgresIsWhenItHasRecovered) {
  if (const std::string missing = protocol::pg::missing_for_postgres(); !missing.empty()) GTEST_SKIP() << missing;
  const protocol::pg::PostgresServer server("trust");
  server.ask("CREATE TABLE orders (id serial PRIMARY KEY, what text)");
  server.ask("INSERT INTO orders (what) SELECT repeat('thing', 10) FROM generate_series(1, 200000) i");
  ASSERT_NO_FATAL_FAILURE(start_shadow(server.port()));
  const auto ready = shadow_->wait_ready({.timeout = kLong});
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(in_its_network(fmt::format(
                "psql -XqAt -h 127.0.0.1 -p {} -U postgres -d shop -c 'SELECT count(*) FROM orders'", server.port())),
            "200000\n");
  EXPECT_THAT(shadow_->log_tail(), Contains(HasSubstr("database system is ready to accept connections")));
}

TEST_F(ReadinessOfADatabase, ThatDoesNotGetReadyIsToldWithWhatItSays) {
  if (program_path("redis-server").empty() || program_path("redis-cli").empty())
    GTEST_SKIP() << "needs redis-server and redis-tools";
  const TemporaryDirectory files;
  const std::uint16_t port = free_port();
  const Service redis({program_path("redis-server"), "--port", std::to_string(port), "--bind", "127.0.0.1", "--save",
                       "", "--set-proc-title", "no", "--dir", files.path(), "--key-load-delay", "100000",
                       "--loading-process-events-interval-bytes", "1024"},
                      files.path());
  ASSERT_TRUE(wait_for_instance(port).ok());
  const std::string cli = fmt::format("redis-cli -p {} ", port);
  ASSERT_EQ(
      output_of(fmt::format("{} EVAL \"for i = 1, 300 do redis.call('SET', 'key' .. i, string.rep(i, 2000)) end\" 0; "
                            "{} CONFIG SET rdbcompression no; {} SAVE",
                            cli, cli, cli)),
      "\nOK\nOK\n");
  ASSERT_NO_FATAL_FAILURE(start_shadow(port));
  ASSERT_TRUE(shadow_->wait_ready({.timeout = kLong, .protocol = "raw"}).ok());
  const auto ready = shadow_->wait_ready({.timeout = std::chrono::seconds(3)});
  ASSERT_FALSE(ready.ok());
  EXPECT_THAT(std::string(ready.status().message()), HasSubstr("it answers \"-LOADING"));
}

}  // namespace
}  // namespace gnomon::shadow
