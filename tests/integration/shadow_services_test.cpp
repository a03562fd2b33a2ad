// Shadows of real services answer as the services do.

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/namespaces.h"
#include "agent/shadow/oci_runtime.h"
#include "agent/shadow/shadow.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

class ShadowOfService : public ShadowTest {
 protected:
  // Shadows what listens on the port and expects `body` of it.
  void expect_same_answer(std::uint16_t port, const std::string& target, const std::string& body) {
    ASSERT_NO_FATAL_FAILURE(find_service(port));
    ASSERT_NO_FATAL_FAILURE(begin_shadow(spec(MilliCpu{500}, Bytes{256u << 20})));
    const auto listeners = shadow_->wait_ready({kReadyTimeout});
    ASSERT_TRUE(listeners.ok()) << listeners.status();
    EXPECT_EQ(listeners->size(), instance_.listeners.size());
    EXPECT_TRUE(shadow_->alive());
    const auto answer = http_get(shadow_->replay_netns(), shadow_->address(), shadow_->port(), target);
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(*answer, body);
    EXPECT_EQ(discovery::find_instance("/proc", "/sys/fs/cgroup", port, std::nullopt)->pid, instance_.pid)
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

// The same walls, whoever builds them: capabilities, filter, namespaces, limits.
void check_walls(const Shadow& shadow, const discovery::Instance& instance) {
  const std::string status = evaluate(shadow, "open('/proc/self/status').read()");
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos) << status;
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos) << status;
  const std::uint64_t bounding = std::stoull(evaluate(shadow,
                                                      "open('/proc/self/status').read().split('CapBnd:')[1]"
                                                      ".split()[0]"),
                                             nullptr, 16);
  EXPECT_EQ(bounding >> CAP_SYS_ADMIN & 1, 0u);
  EXPECT_EQ(evaluate(shadow, "os.path.exists('/proc/%d/root' % os.getppid()), os.getppid()"),
            "(False, 1)");  // its init is not to be read
  EXPECT_EQ(evaluate(shadow, "attempt(open, '/proc/sys/kernel/hostname', 'w')"), "OSError 30");
  for (const char* space : {"mnt", "pid", "net", "ipc", "uts", "cgroup"})
    EXPECT_NE(discovery::namespace_of("/proc", shadow.pid(), space),
              discovery::namespace_of("/proc", instance.pid, space))
        << space;
  EXPECT_EQ(discovery::cpu_quota("/proc", kCgroupRoot, shadow.pid()), MilliCpu{500});
  EXPECT_EQ(discovery::memory_limit("/proc", kCgroupRoot, shadow.pid()), Bytes{(128u + 64u) << 20});
}

TEST_F(ShadowOfService, StartedByEitherOciRuntime) {
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "0.0.0.0", std::to_string(port)}, "/");
  const auto instance = wait_for_instance(port);
  ASSERT_TRUE(instance.ok()) << instance.status();
  std::vector<std::string> runtimes;
  if (const auto runc = find_runc(); runc.ok()) runtimes.push_back(*runc);
  auto chosen = Runtime::create(state_.path(), kTestBudget);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  const bool crun = (*chosen)->oci_runtime().ends_with("/crun");
  if (crun) runtimes.push_back((*chosen)->oci_runtime());
  chosen->reset();
  for (const std::string& name : runtimes) {
    SCOPED_TRACE(name);
    auto runtime = Runtime::create(state_.path(), kTestBudget, name);
    ASSERT_TRUE(runtime.ok()) << runtime.status();
    auto shadow = (*runtime)->start({"s1", *instance, MilliCpu{500}, Bytes{128u << 20}});
    ASSERT_TRUE(shadow.ok()) << shadow.status();
    const auto ready = (*shadow)->wait_ready({std::chrono::seconds(90)});  // also in an emulated machine
    ASSERT_TRUE(ready.ok()) << ready.status();
    check_walls(**shadow, *instance);
  }
  if (!crun) GTEST_SKIP() << "runc was tried alone: crun is not installed, or cannot start a container here";
}

TEST_F(ShadowOfService, AnOciRuntimeThatFailsSaysWhyAndLeavesNothing) {
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "0.0.0.0", std::to_string(port)}, "/");
  const auto instance = wait_for_instance(port);
  ASSERT_TRUE(instance.ok()) << instance.status();
  const std::string broken =
      files_.file("broken-runtime", "#!/bin/sh\necho 'cgroups are not as I like them' >&2\nexit 7\n");
  ASSERT_EQ(::chmod(broken.c_str(), 0755), 0);
  EXPECT_FALSE(try_oci_runtime(broken, "/bin/true", state_.path() + "/trial", cgroup_path("test", "trial")).ok());
  EXPECT_NE(::access((state_.path() + "/trial").c_str(), F_OK), 0);
  auto runtime = Runtime::create(state_.path(), kTestBudget, broken);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const auto shadow = (*runtime)->start({"s1", *instance, MilliCpu{500}, Bytes{128u << 20}});
  ASSERT_FALSE(shadow.ok());
  const std::string said(shadow.status().message());
  EXPECT_NE(said.find("broken-runtime ended with status 7"), std::string::npos) << said;
  EXPECT_NE(said.find("cgroups are not as I like them"), std::string::npos) << said;
}

}  // namespace
}  // namespace gnomon::shadow
