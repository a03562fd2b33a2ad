// Shadows of servers that are not as simple as a web server: databases, masters with workers, threads with listeners of
// their own, other languages' run-time systems. What is written to a shadow does not reach production.

#include <signal.h>
#include <unistd.h>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/postgres_fixture.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using protocol::output_of;
using protocol::program_path;
using ::testing::Contains;
using ::testing::HasSubstr;

class ShadowOfServer : public ShadowTest {
 protected:
  void start_shadow(std::uint16_t port, Bytes memory = Bytes{256u << 20}) {
    ASSERT_NO_FATAL_FAILURE(find_service(port));
    ShadowTest::start_shadow(spec(MilliCpu{500}, memory), std::chrono::seconds(60));
  }
  std::string body(const std::string& target) {
    const auto answer = http_get(shadow_->replay_netns(), shadow_->address(), shadow_->port(), target);
    return answer.ok() ? *answer : std::string(answer.status().message());
  }
  // What a client prints that runs in the shadow's network.
  std::string in_its_network(const std::string& command) {
    return output_of(fmt::format("nsenter --net=/proc/{}/ns/net {}", shadow_->pid(), command));
  }
};

// A database that runs is, to its copy, one that has crashed: the files are there, with the log that makes them whole.
TEST_F(ShadowOfServer, PostgresRecoversFromTheFilesOfALiveOneAndLeavesThemAlone) {
  if (const std::string missing = protocol::pg::missing_for_postgres(); !missing.empty()) GTEST_SKIP() << missing;
  const protocol::pg::PostgresServer server("trust");
  server.ask("CREATE TABLE orders (id serial PRIMARY KEY, what text)");
  server.ask("INSERT INTO orders (what) SELECT 'thing ' || i FROM generate_series(1, 1000) i");
  const std::string checkpoints = "SELECT checkpoint_lsn FROM pg_control_checkpoint()";
  const std::string before = server.ask(checkpoints);
  ASSERT_NO_FATAL_FAILURE(start_shadow(server.port(), Bytes{512u << 20}));
  const auto ask_shadow = [&](const std::string& sql) {
    return in_its_network(
        fmt::format("psql -XqAt -h 127.0.0.1 -p {} -U postgres -d shop -c \"{}\"", server.port(), sql));
  };
  // It takes connections before it has recovered, and refuses them with a word.
  for (int attempt = 0; attempt < 300 && ask_shadow("SELECT 1") != "1\n"; ++attempt) ::usleep(200'000);
  EXPECT_THAT(shadow_->log_tail(), Contains(HasSubstr("automatic recovery in progress")));
  EXPECT_EQ(ask_shadow("SELECT count(*), max(what) FROM orders"), "1000|thing 999\n");
  EXPECT_EQ(ask_shadow("CREATE TABLE own AS SELECT generate_series(1, 500) AS i"), "");
  EXPECT_EQ(ask_shadow("SELECT count(*) FROM own"), "500\n");
  EXPECT_EQ(server.ask("SELECT to_regclass('own') IS NULL"), "t\n");
  EXPECT_EQ(server.ask(checkpoints), before) << "recovery has written its control file";
  shadow_.reset();
  server.ask("INSERT INTO orders (what) VALUES ('after')");
  server.ask("CHECKPOINT");
  EXPECT_EQ(server.ask("SELECT count(*) FROM orders"), "1001\n");
}

TEST_F(ShadowOfServer, MemcachedStartsEmptyAndKeepsWhatItIsToldToItself) {
  if (program_path("memcached").empty()) GTEST_SKIP() << "memcached is not installed";
  const protocol::Server server([](std::uint16_t port, const TemporaryDirectory&) {
    return std::vector<std::string>{program_path("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p",
                                    std::to_string(port),      "-U", "0"};
  });
  const auto command = [&](const std::string& text) {
    return fmt::format("timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{}; printf \"{}quit\\r\\n\" >&3; cat <&3'",
                       server.port(), text);
  };
  EXPECT_THAT(output_of(command("set a 0 0 4\\r\\nlive\\r\\n")), HasSubstr("STORED"));
  ASSERT_NO_FATAL_FAILURE(start_shadow(server.port()));
  EXPECT_EQ(in_its_network(command("get a\\r\\n")), "END\r\n");
  EXPECT_THAT(in_its_network(command("set a 0 0 6\\r\\nshadow\\r\\n")), HasSubstr("STORED"));
  EXPECT_THAT(in_its_network(command("get a\\r\\n")), HasSubstr("shadow"));
  EXPECT_THAT(output_of(command("get a\\r\\n")), HasSubstr("live"));
}

// A master that forks workers, and more of them when one has gone.
TEST_F(ShadowOfServer, GunicornWithItsWorkers) {
  if (output_of("/usr/bin/python3 -c 'import gunicorn; print(1)'") != "1\n")
    GTEST_SKIP() << "gunicorn is not installed (package python3-gunicorn)";
  files_.file("app.py",
              "import os\n"
              "def app(environ, start):\n"
              "    start('200 OK', [('Content-Type', 'text/plain')])\n"
              "    return [('%d of %d' % (os.getpid(), os.getppid())).encode()]\n");
  const std::uint16_t port = free_port();
  const Service gunicorn(
      {"/usr/bin/python3", "-m", "gunicorn", "-w", "2", "-b", fmt::format("0.0.0.0:{}", port), "app:app"},
      files_.path());
  ASSERT_NO_FATAL_FAILURE(start_shadow(port));
  EXPECT_EQ(instance_.pid, gunicorn.pid());
  const std::string first = body("/");
  int worker = 0, master = 0;
  ASSERT_EQ(std::sscanf(first.c_str(), "%d of %d", &worker, &master), 2) << first;
  EXPECT_GT(worker, master) << "numbers of its own pid namespace";
  EXPECT_LT(master, 10);
}

TEST_F(ShadowOfServer, ThreadsWithListenersOfTheirOwn) {
  const std::uint16_t port = free_port();
  const Service server({GNOMON_THREADED_SERVER, std::to_string(port)}, "/");
  ASSERT_NO_FATAL_FAILURE(start_shadow(port));
  EXPECT_THAT(body("/"), HasSubstr("thread"));
  const auto listeners = shadow_->wait_ready({std::chrono::seconds(10)});
  ASSERT_TRUE(listeners.ok()) << listeners.status();
  EXPECT_EQ(listeners->size(), 2u);
}

// A program in Go: threads that its own run-time system starts, before and after it listens.
TEST_F(ShadowOfServer, AProgramInGo) {
  if (program_path("webhook").empty()) GTEST_SKIP() << "webhook is not installed, which is a server written in Go";
  const std::string hooks =
      files_.file("hooks.json", R"([{"id":"greet","execute-command":"/bin/true","response-message":"hello from go"}])");
  const std::uint16_t port = free_port();
  const Service webhook({program_path("webhook"), "-hooks", hooks, "-ip", "127.0.0.1", "-port", std::to_string(port)},
                        "/");
  ASSERT_NO_FATAL_FAILURE(start_shadow(port));
  EXPECT_EQ(body("/hooks/greet"), "hello from go");
}

}  // namespace
}  // namespace gnomon::shadow
