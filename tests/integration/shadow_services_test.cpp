// Shadows of real services answer as the services do.

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "agent/shadow/namespaces.h"
#include "agent/shadow/shadow.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

class ShadowOfService : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = missing_for_shadows(); !missing.empty()) GTEST_SKIP() << missing;
  }

  // Shadows what listens on the port and expects `body` of it.
  void expect_same_answer(std::uint16_t port, const std::string& target, const std::string& body) {
    const auto instance = wait_for_instance(port);
    ASSERT_TRUE(instance.ok()) << instance.status();
    auto runtime = Runtime::create(state_.path(), kTestBudget);
    ASSERT_TRUE(runtime.ok()) << runtime.status();
    auto shadow = (*runtime)->start({"s1", *instance, MilliCpu{500}, Bytes{256u << 20}});
    ASSERT_TRUE(shadow.ok()) << shadow.status();
    const auto listeners = (*shadow)->wait_ready(kReadyTimeout);
    ASSERT_TRUE(listeners.ok()) << listeners.status();
    EXPECT_EQ(listeners->size(), instance->listeners.size());
    EXPECT_TRUE((*shadow)->alive());
    const auto answer = http_get((*shadow)->replay_netns(), (*shadow)->address(), (*shadow)->port(), target);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(*answer, body);
    EXPECT_EQ(discovery::find_instance("/proc", "/sys/fs/cgroup", port, std::nullopt)->pid, instance->pid)
        << "the shadow is taken for production";
  }

  std::string nginx_config(const std::string& daemon, std::uint16_t port) {
    files_.file("html/hello.txt", "hello");
    return files_.file(
        "nginx.conf",
        fmt::format("daemon {};\nworker_processes 1;\npid {}/nginx.pid;\nerror_log {}/error.log;\n"
                    "events {{}}\nhttp {{ access_log off; server {{ listen 0.0.0.0:{}; root {}/html; }} }}\n",
                    daemon, files_.path(), files_.path(), port, files_.path()));
  }

  TemporaryDirectory files_, state_;
};

TEST_F(ShadowOfService, NginxInTheForeground) {
  if (::access("/usr/sbin/nginx", X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
  const std::uint16_t port = free_port();
  const std::string config = nginx_config("off", port);
  const Service nginx({"/usr/sbin/nginx", "-c", config}, "/");
  expect_same_answer(port, "/hello.txt", "hello");
}

TEST_F(ShadowOfService, NginxWithSpacesInItsArguments) {
  if (::access("/usr/sbin/nginx", X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
  const std::uint16_t port = free_port();
  std::string config = nginx_config("off", port);
  // The same directives from the command line, where nginx's title joins them with single spaces.
  const std::string text = fmt::format(
      "events {{}}\nhttp {{ access_log off; server {{ listen {}; root {}/html; }} }}\n", port, files_.path());
  config = files_.file("plain.conf", text);
  const std::string directives = fmt::format("daemon off; pid {0}/nginx.pid; error_log {0}/error.log;", files_.path());
  const Service nginx({"/usr/sbin/nginx", "-c", config, "-g", directives}, "/");
  expect_same_answer(port, "/hello.txt", "hello");
}

TEST_F(ShadowOfService, NginxAsADaemon) {
  if (::access("/usr/sbin/nginx", X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
  const std::uint16_t port = free_port();
  const std::string config = nginx_config("on", port);
  const Service nginx({"/usr/sbin/nginx", "-c", config}, "/");
  const auto daemon = wait_for_instance(port);
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  expect_same_answer(port, "/hello.txt", "hello");
  EXPECT_EQ(::kill(daemon->pid, SIGQUIT), 0);  // ours: found by the port that we gave it
}

TEST_F(ShadowOfService, PythonFileServer) {
  const std::uint16_t port = free_port();
  files_.file("hello.txt", "from python");
  const Service python({"/usr/bin/python3", "-m", "http.server", std::to_string(port)}, files_.path());
  expect_same_answer(port, "/hello.txt", "from python");
}

TEST_F(ShadowOfService, Node) {
  if (::access("/usr/bin/node", X_OK) != 0) GTEST_SKIP() << "node is not installed";
  const std::uint16_t port = free_port();
  const std::string script = files_.file(
      "server.js", "require('http').createServer((q, s) => s.end('from node')).listen(Number(process.argv[2]));");
  const Service node({"/usr/bin/node", "server.js", std::to_string(port)}, files_.path());
  expect_same_answer(port, "/", "from node");
}

TEST_F(ShadowOfService, ListeningOnLoopbackOnly) {
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "127.0.0.1", std::to_string(port)},
                       "/");
  expect_same_answer(port, "/", "production");
}

// In a network namespace of its own, on one of that namespace's addresses.
TEST_F(ShadowOfService, ListeningOnOneAddressOfAnotherNetworkNamespace) {
  const auto space = new_network_namespace();
  ASSERT_TRUE(space.ok()) << space.status();
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "192.0.2.7", std::to_string(port)},
                       "/", [&] {
                         // The address is nowhere but in the listener's table: enough for a service that is shadowed.
                         if (::setns(space->get(), CLONE_NEWNET) != 0) ::_exit(98);
                         std::ofstream("/proc/sys/net/ipv4/ip_nonlocal_bind") << "1";
                       });
  expect_same_answer(port, "/", "production");
}

TEST_F(ShadowOfService, ListeningOnEveryIpv6Address) {
  if (::access("/proc/sys/net/ipv6", F_OK) != 0) GTEST_SKIP() << "the kernel has no IPv6";
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "::", std::to_string(port)}, "/");
  expect_same_answer(port, "/", "production");
}

}  // namespace
}  // namespace gnomon::shadow
