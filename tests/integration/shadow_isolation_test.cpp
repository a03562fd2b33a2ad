// What a shadow can see and reach, what it may use, and what it leaves of production and of itself.

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "agent/metrics/usage.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/oci_runtime.h"
#include "agent/shadow/shadow.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using discovery::read_file;
using ::testing::HasSubstr;
using ::testing::Not;

class ShadowIsolation : public EvalShadow {};

TEST_F(ShadowIsolation, HasNamespacesOfItsOwn) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const char* kind : {"mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
    const auto own = discovery::namespace_of("/proc", shadow_->pid(), kind);
    EXPECT_NE(own, 0u) << kind;
    EXPECT_NE(own, discovery::namespace_of("/proc", instance_.pid, kind)) << kind;
    EXPECT_NE(own, discovery::namespace_of("/proc", ::getpid(), kind)) << kind;
  }
  EXPECT_EQ(inside("sorted(int(p) for p in os.listdir('/proc') if p.isdigit())[0]"), "1");
  EXPECT_EQ(inside("len([p for p in os.listdir('/proc') if p.isdigit()])"), "2");
}

TEST_F(ShadowIsolation, ReachesNothingButTheReplayer) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  // Some kernels put their idle tunnel devices into every network namespace; what has an address is what is linked.
  EXPECT_EQ(inside("sorted(l.split()[5] for l in open('/proc/net/if_inet6') if l.split()[3] != '20')"),
            "['lo', 'shadow0']");
  EXPECT_EQ(inside("sorted(set(l.split()[0] for l in open('/proc/net/route').read().splitlines()[1:]))"),
            "['shadow0']");
  EXPECT_EQ(
      inside("[l.split()[0] for l in open('/proc/net/route').read().splitlines()[1:] if l.split()[1] == '00000000']"),
      "[]");
  // Production listens on every address of the host: none of them leads there.
  ifaddrs* all = nullptr;
  ASSERT_EQ(::getifaddrs(&all), 0);
  for (const ifaddrs* it = all; it; it = it->ifa_next) {
    if (!it->ifa_addr || it->ifa_addr->sa_family != AF_INET || (it->ifa_flags & IFF_LOOPBACK)) continue;
    char text[INET_ADDRSTRLEN];
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(it->ifa_addr)->sin_addr, text, sizeof text);
    EXPECT_EQ(inside(fmt::format("attempt(socket.create_connection, ('{}', {}), 2)", text, port_)), "OSError 101");
  }
  ::freeifaddrs(all);
  EXPECT_EQ(inside("attempt(socket.create_connection, ('198.51.100.1', 80), 2)"), "OSError 101");
  // Not even the replayer's end of the link: a shadow answers there and opens nothing.
  EXPECT_EQ(inside(fmt::format("attempt(socket.create_connection, ('169.254.77.1', {}), 2)", port_)), "OSError 101");
}

TEST_F(ShadowIsolation, WritesStayInTheShadow) {
  const std::string data = files_.file("data.txt", "before");
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside(fmt::format("open('{}').read()", data)), "before");
  EXPECT_EQ(inside(fmt::format("open('{}', 'w').write('changed')", data)), "7");
  EXPECT_EQ(inside(fmt::format("open('{}').read()", data)), "changed");
  EXPECT_EQ(inside("open('/usr/gnomon-test-file', 'w').write('x')"), "1");
  EXPECT_EQ(read_file(data), "before");
  EXPECT_FALSE(std::filesystem::exists("/usr/gnomon-test-file"));
}

TEST_F(ShadowIsolation, SecretsAreNotThere) {
  const TemporaryDirectory other("/root");
  const std::string secret = other.file("key", "secret"), elsewhere = files_.path();
  const TemporaryDirectory unrelated;  // in /tmp, of another service
  unrelated.file("x", "y");
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("open('/etc/shadow').read()"), "");
  EXPECT_EQ(inside("os.listdir('/root')"), "[]");
  EXPECT_EQ(inside("os.listdir('/home')"), "[]");
  EXPECT_THAT(inside(fmt::format("attempt(open, '{}')", secret)), HasSubstr("FileNotFoundError"));
  EXPECT_THAT(inside(fmt::format("attempt(os.listdir, '{}')", unrelated.path())), HasSubstr("FileNotFoundError"));
  EXPECT_EQ(inside("os.listdir('/tmp')"), fmt::format("['{}']", std::filesystem::path(elsewhere).filename().string()));
}

TEST_F(ShadowIsolation, HasNoCapabilityThatReachesBeyondIt) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const std::string status = read_file(fmt::format("/proc/{}/status", shadow_->pid())).value_or("");
  EXPECT_EQ(discovery::field_of(status, "NoNewPrivs"), "1");
  const auto bounding = std::stoull(discovery::field_of(status, "CapBnd"), nullptr, 16);
  for (int dangerous : {12 /* NET_ADMIN */, 16 /* SYS_MODULE */, 17 /* SYS_RAWIO */, 19 /* SYS_PTRACE */,
                        21 /* SYS_ADMIN */, 22 /* SYS_BOOT */, 34 /* SYSLOG */, 38 /* PERFMON */, 39 /* BPF */})
    EXPECT_EQ(bounding >> dangerous & 1, 0u) << dangerous;
}

TEST_F(ShadowIsolation, LimitsAreInItsCgroup) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(discovery::cpu_quota("/proc", kCgroupRoot, shadow_->pid()), MilliCpu{250});
  EXPECT_EQ(discovery::memory_limit("/proc", kCgroupRoot, shadow_->pid()), Bytes{(128u + 64u) << 20});
  const auto pids = discovery::cgroup_of("/proc", kCgroupRoot, shadow_->pid(), "pids");
  ASSERT_TRUE(pids);
  EXPECT_EQ(read_file(pids->directory() + "/pids.max"), "2048\n");
}

// The names of the interfaces that a process sees; its routes and addresses.
std::string network_of(pid_t pid) {
  std::istringstream lines(read_file(fmt::format("/proc/{}/net/dev", pid)).value_or("gone"));
  std::string all;
  for (std::string line; std::getline(lines, line);) all += line.substr(0, line.find(':')) + "\n";
  for (const char* table : {"route", "fib_trie", "if_inet6", "ipv6_route"}) {
    std::istringstream in(read_file(fmt::format("/proc/{}/net/{}", pid, table)).value_or("none"));
    // Of IPv6 routes all but how often they were used and are held (fields 6 to 8 of 10).
    for (std::string line; std::getline(in, line);)
      all += (line.size() > 140 ? line.substr(0, 110) + line.substr(line.rfind(' ')) : line) + "\n";
  }
  return all;
}

// What is set of the cgroups that a process is in.
std::string limits_of(pid_t pid) {
  std::string all;
  for (const char* controller : {"cpu", "memory", "pids"}) {
    const auto cgroup = discovery::cgroup_of("/proc", kCgroupRoot, pid, controller);
    if (!cgroup) continue;
    for (const char* file :
         {"cpu.cfs_quota_us", "cpu.shares", "cpu.max", "cpu.weight", "memory.limit_in_bytes", "memory.max",
          "memory.swap.max", "memory.oom_control", "pids.max", "cgroup.subtree_control"})
      all += read_file(cgroup->directory() + "/" + file).value_or("none\n");
  }
  return all;
}

// Every file below a directory with its content, owner, mode and times of change.
std::string files_below(const std::string& directory) {
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat status {};
    EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0);
    all += fmt::format("{} {} {}:{} {:o} {}.{}\n", entry.path().string(), status.st_ino, status.st_uid, status.st_gid,
                       status.st_mode, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    if (entry.is_regular_file()) all += read_file(entry.path().string()).value_or("");
  }
  return all;
}

TEST_F(ShadowIsolation, ProductionStaysAsItWas) {
  files_.file("data/a", "a");
  files_.file("data/b", "b");
  const auto state_of_production = [&] {
    std::string all;
    for (const char* file : {"mountinfo", "cgroup", "environ", "cmdline", "limits", "oom_score_adj", "maps"})
      all += read_file(fmt::format("/proc/{}/{}", instance_.pid, file)).value_or("gone") + "\n";
    for (const char* kind : {"mnt", "pid", "net", "ipc", "uts", "cgroup", "time", "user"})
      all += std::to_string(discovery::namespace_of("/proc", instance_.pid, kind)) + "\n";
    return all + read_file("/proc/1/mountinfo").value_or("") + network_of(instance_.pid) + network_of(1) +
           limits_of(instance_.pid) + files_below(files_.path());
  };
  const std::string before = state_of_production();
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(state_of_production(), before);
  const std::string data = files_.path() + "/data";
  EXPECT_EQ(inside(fmt::format("open('{}/a', 'w').write('changed')", data)), "7");
  EXPECT_EQ(inside(fmt::format("os.unlink('{}/b')", data)), "None");
  EXPECT_EQ(inside(fmt::format("os.chmod('{}', 0o700)", script_)), "None");
  EXPECT_EQ(inside(fmt::format("os.chown('{}', 1, 1)", files_.path())), "None");
  EXPECT_EQ(inside(fmt::format("os.rename('{0}', '{0}-moved')", data)), "None");
  EXPECT_EQ(inside(fmt::format("os.listdir('{}-moved')", data)), "['a']");
  EXPECT_EQ(state_of_production(), before);
  shadow_.reset();
  EXPECT_EQ(state_of_production(), before);
  const auto answer = http_get(-1, "127.0.0.1", port_, "/");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "production");
}

TEST_F(ShadowIsolation, DestroyingItLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const pid_t init = shadow_->pid();
  const std::string agent = fmt::format("{}-{}", ::getpid(), discovery::read_process("/proc", ::getpid())->start_ticks);
  EXPECT_FALSE(agent_cgroups(kCgroupRoot, agent, "s1").empty());
  const std::string mounts = read_file("/proc/self/mountinfo").value_or("");
  EXPECT_THAT(mounts, HasSubstr(state_.path()));
  shadow_.reset();
  EXPECT_FALSE(discovery::read_process("/proc", init));
  EXPECT_TRUE(agent_cgroups(kCgroupRoot, agent, "s1").empty());
  EXPECT_THAT(read_file("/proc/self/mountinfo").value_or(state_.path()), Not(HasSubstr(state_.path())));
  EXPECT_NE(state_directory(), "");
  runtime_.reset();
  EXPECT_EQ(state_directory(), "");
  EXPECT_TRUE(agent_cgroups(kCgroupRoot, agent).empty());
}

TEST_F(ShadowIsolation, ItsUsageIsReadFromItsOwnCgroup) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const auto reader = metrics::UsageReader::open("/proc", kCgroupRoot, shadow_->pid());
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_THAT((*reader)->source(), HasSubstr("/s1"));
  const auto before = (*reader)->read();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(inside("sum(range(5000000))"), "12499997500000");
  const auto after = (*reader)->read();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(after->cpu, before->cpu);
  EXPECT_GE(after->throttled, before->throttled);
  EXPECT_GT(after->memory.value, 0u);
  EXPECT_LE(after->memory.value, 128u << 20);
}

TEST_F(ShadowIsolation, CanBeStartedAgainWithTheSameId) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  shadow_.reset();
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_TRUE(shadow_->alive());
}

TEST_F(ShadowIsolation, LimitsBeyondTheBudgetAreRefusedWithTheRemedy) {
  const auto cpu = runtime_->start({"s1", instance_, MilliCpu{4000}, Bytes{64u << 20}});
  EXPECT_EQ(cpu.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(cpu.status().message()), HasSubstr("4 CPUs are asked for, and 1 of the 1 CPUs"));
  EXPECT_THAT(std::string(cpu.status().message()), HasSubstr("--budget-cpu"));
  const auto memory = runtime_->start({"s1", instance_, MilliCpu{100}, Bytes{2ull << 30}});
  EXPECT_EQ(memory.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(memory.status().message()), HasSubstr("--budget-memory"));
  ASSERT_NO_FATAL_FAILURE(start_shadow());  // what was refused has taken nothing
  EXPECT_FALSE(runtime_->start({"s2", instance_, MilliCpu{900}, Bytes{64u << 20}}).ok());
  shadow_.reset();
  EXPECT_TRUE(runtime_->start({"s2", instance_, MilliCpu{900}, Bytes{64u << 20}}).ok());
}

TEST_F(ShadowIsolation, AServiceThatCannotLiveThereSaysWhyInItsLastLines) {
  const std::string script = files_.file("picky.py",
                                         "import os, sys\nif os.getpid() < 100:\n  print('first line')\n"
                                         "  sys.exit('no life in here')\nexec(open(sys.argv[3]).read())\n");
  service_.reset();
  port_ = free_port();
  start_service({"/usr/bin/python3", script, "0.0.0.0", std::to_string(port_), script_}, "/");
  auto shadow = runtime_->start({"s1", instance_, MilliCpu{250}, Bytes{128u << 20}});
  ASSERT_TRUE(shadow.ok()) << shadow.status();
  const auto ready = (*shadow)->wait_ready({kReadyTimeout});
  EXPECT_EQ(ready.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(ready.status().message()), HasSubstr("ended with status 1"));
  EXPECT_THAT(std::string(ready.status().message()), HasSubstr("no life in here"));
  EXPECT_FALSE((*shadow)->alive());
}

TEST_F(ShadowIsolation, AProcessThatHasGoneIsAnError) {
  service_.reset();
  const auto shadow = runtime_->start({"s1", instance_, MilliCpu{250}, Bytes{128u << 20}});
  EXPECT_EQ(shadow.status().code(), absl::StatusCode::kNotFound) << shadow.status();
}

// A container is shadowed from its own root, whatever started it.
TEST_F(ShadowIsolation, AContainerIsCopiedFromItsOwnRoot) {
  const TemporaryDirectory bundle;
  const std::string root = bundle.path() + "/rootfs";
  std::filesystem::create_directories(root + "/service");
  for (const char* directory : {"usr", "etc", "proc", "tmp", "dev"})
    std::filesystem::create_directories(root + "/" + directory);
  for (const char* link : {"bin", "lib", "lib64"})
    std::filesystem::create_directory_symlink(std::string("usr/") + link, root + "/" + link);
  std::ofstream(root + "/service/eval.py") << kEvalServer;
  std::ofstream(root + "/service/name") << "in the container";
  std::ofstream(bundle.path() + "/volume") << "a file mount";
  std::ofstream(root + "/etc/mounted") << "";
  service_.reset();
  port_ = free_port();
  const std::string config = fmt::format(
      R"({{"ociVersion":"1.0.2","process":{{"user":{{"uid":65534,"gid":65534}},"cwd":"/service","env":["PATH=/usr/bin"],
      "args":["/usr/bin/python3","/service/eval.py","0.0.0.0","{}"]}},"root":{{"path":"rootfs"}},"hostname":"inner","mounts":[
      {{"destination":"/proc","type":"proc","source":"proc"}},{{"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]}},
      {{"destination":"/etc/mounted","type":"bind","source":"{}/volume","options":["bind"]}},
      {{"destination":"/tmp","type":"tmpfs","source":"tmpfs"}}],
      "linux":{{"cgroupsPath":"/gnomon-test-{}","namespaces":[{{"type":"mount"}},{{"type":"pid"}},{{"type":"uts"}},{{"type":"network"}}]}}}})",
      port_, bundle.path(), ::getpid());
  std::ofstream(bundle.path() + "/config.json") << config;
  const std::string id = fmt::format("gnomon-test-{}", ::getpid()), runc = *find_runc();
  const Service container({runc, "--root", bundle.path() + "/runc", "run", "--bundle", bundle.path(), id}, "/");
  const auto instance = wait_for_instance(port_);
  EXPECT_TRUE(instance.ok()) << instance.status();
  if (instance.ok()) {
    instance_ = *instance;
    start_shadow();
    if (!HasFatalFailure()) {
      EXPECT_EQ(inside("open('/service/name').read()"), "in the container");
      EXPECT_EQ(inside("open('/etc/mounted').read()"), "a file mount");
      EXPECT_EQ(inside("os.getuid(), os.getcwd(), socket.gethostname()"), "(65534, '/service', 'inner')");
      EXPECT_THAT(inside("attempt(os.listdir, '/root')"), HasSubstr("FileNotFoundError"));
    }
  }
  shadow_.reset();
  const Service remove({runc, "--root", bundle.path() + "/runc", "delete", "--force", id}, "/");
  pollfd end{static_cast<int>(::syscall(SYS_pidfd_open, remove.pid(), 0)), POLLIN, 0};
  const UniqueFd owner(end.fd);
  EXPECT_EQ(::poll(&end, 1, 10'000), 1);
}

}  // namespace
}  // namespace gnomon::shadow
