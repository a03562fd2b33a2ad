#include "agent/discovery/instance.h"

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "agent/discovery/sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/made_up_proc.h"

namespace gnomon::discovery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Discovery : public ::testing::Test {
 protected:
  // A server on 0.0.0.0:8080 with a worker, in network namespace 1.
  void make_server() {
    made_up_.process(1, 0, "init");
    made_up_.process(50, 1, "server");
    made_up_.process(51, 50, "server");
    for (int pid : {1, 50, 51})
      made_up_.file(net(pid) + "tcp", made_up_.kHeading + made_up_.row("00000000:1F90", "0A", 900));
    made_up_.socket(50, 6, 900);
    made_up_.socket(51, 6, 900);
  }
  static std::string net(int pid) { return "proc/" + std::to_string(pid) + "/net/"; }
  absl::StatusOr<Instance> find(std::uint16_t port, std::optional<pid_t> pid = std::nullopt) {
    return find_instance(made_up_.proc(), made_up_.cgroup(), port, pid);
  }
  std::string error(std::uint16_t port, std::optional<pid_t> pid = std::nullopt) {
    return std::string(find(port, pid).status().message());
  }
  MadeUpProc made_up_;
};

TEST(Procfs, AFileWhoseReadFailsIsNoFile) {
  // Opens, and reading its first bytes is EIO: nothing is mapped there. So does a process that ends while it is read.
  EXPECT_FALSE(read_file("/proc/self/mem"));
  EXPECT_FALSE(read_file("/proc/self"));
  EXPECT_TRUE(read_file("/proc/self/stat"));
}

TEST_F(Discovery, FindsTheTopmostHolder) {
  make_server();
  const auto instance = find(8080);
  ASSERT_TRUE(instance.ok()) << instance.status();
  EXPECT_EQ(instance->pid, 50);
  EXPECT_EQ(instance->start_ticks, 100u);
  EXPECT_EQ(instance->command, "server");
  EXPECT_EQ(instance->netns, 1u);
  ASSERT_EQ(instance->listeners.size(), 1u);
  EXPECT_EQ(instance->listeners[0].to_string(), "0.0.0.0:8080");
  EXPECT_EQ(instance->listeners[0].fd, 6);
  EXPECT_EQ(instance->listeners[0].inode, 900u);
  EXPECT_TRUE(instance->listeners[0].wildcard);
}

TEST_F(Discovery, AWorkersPidMeansItsInstance) {
  make_server();
  const auto instance = find(8080, 51);
  ASSERT_TRUE(instance.ok()) << instance.status();
  EXPECT_EQ(instance->pid, 50);
}

TEST_F(Discovery, AServiceManagerThatKeepsTheListenerIsNotTheInstance) {
  make_server();
  made_up_.socket(1, 30, 900);
  EXPECT_EQ(find(8080)->pid, 50);
  made_up_.process(40, 1, "systemd");  // a user's, or a container's
  made_up_.process(60, 40, "server");
  made_up_.file(net(1) + "tcp", std::string(made_up_.kHeading) + made_up_.row("00000000:1F91", "0A", 950));
  made_up_.socket(40, 30, 950);
  EXPECT_EQ(find(8081)->pid, 40) << "until its service runs nobody else is there";
  made_up_.socket(60, 3, 950);
  EXPECT_EQ(find(8081)->pid, 60);
}

TEST_F(Discovery, SaysWhatListensInstead) {
  make_server();
  EXPECT_EQ(find(81).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(error(81), HasSubstr("nothing listens on TCP port 81"));
  EXPECT_THAT(error(81), HasSubstr("8080"));
}

TEST_F(Discovery, SaysThatAPortIsUdp) {
  make_server();
  made_up_.file(net(1) + "udp", std::string(made_up_.kHeading) + made_up_.row("00000000:0035", "07", 5));
  EXPECT_THAT(error(53), HasSubstr("UDP"));
}

TEST_F(Discovery, SeveralInstancesAreNamedWithTheirPids) {
  make_server();
  made_up_.process(60, 1, "other", 200, 2);
  made_up_.file(net(60) + "tcp6",
                std::string(made_up_.kHeading) + made_up_.row("00000000000000000000000001000000:1F90", "0A", 901));
  made_up_.socket(60, 3, 901);
  EXPECT_EQ(find(8080).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(error(8080), HasSubstr("server (pid 50"));
  EXPECT_THAT(error(8080), HasSubstr("other (pid 60"));
  const auto chosen = find(8080, 60);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->netns, 2u);
  EXPECT_EQ(chosen->listeners[0].to_string(), "[::1]:8080");
  EXPECT_TRUE(chosen->listeners[0].loopback);
  EXPECT_FALSE(chosen->listeners[0].wildcard);
  EXPECT_THAT(error(8080, 1), HasSubstr("init (pid 1) does not listen on TCP port 8080"));
  EXPECT_THAT(error(8080, 7777), HasSubstr("no process 7777"));
}

TEST_F(Discovery, ShadowsAndAgentsAreNoInstances) {
  make_server();
  made_up_.process(70, 1, "server", 100, 3);
  made_up_.file("proc/70/cgroup", "4:memory:/\n0::/gnomon/12-345/s1\n");
  made_up_.file(net(70) + "tcp", std::string(made_up_.kHeading) + made_up_.row("00000000:1F90", "0A", 902));
  made_up_.socket(70, 3, 902);
  made_up_.process(80, 1, "gnomon-agent");
  made_up_.socket(80, 9, 900);
  const auto instance = find(8080);
  ASSERT_TRUE(instance.ok()) << instance.status();
  EXPECT_EQ(instance->pid, 50);
}

TEST_F(Discovery, AListenerWithoutAHolderIsAnError) {
  made_up_.process(1, 0, "init");
  made_up_.file(net(1) + "tcp", std::string(made_up_.kHeading) + made_up_.row("00000000:1F90", "0A", 900));
  EXPECT_THAT(error(8080), HasSubstr("no process that can be seen holds the socket"));
}

TEST_F(Discovery, AConnectionIsNoListener) {
  made_up_.process(1, 0, "init");
  made_up_.file(net(1) + "tcp", std::string(made_up_.kHeading) + made_up_.row("0100007F:1F90", "01", 900));
  made_up_.socket(1, 4, 900);
  EXPECT_EQ(find(8080).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Discovery, AnIpv4AddressInsideIpv6IsIpv4) {
  made_up_.process(9, 0, "java");
  made_up_.file(net(9) + "tcp6",
                std::string(made_up_.kHeading) + made_up_.row("0000000000000000FFFF00000100007F:1F90", "0A", 900));
  made_up_.socket(9, 4, 900);
  EXPECT_EQ(find(8080)->listeners[0].to_string(), "127.0.0.1:8080");
  EXPECT_TRUE(find(8080)->listeners[0].loopback);
}

TEST_F(Discovery, CpuIsTheAffinityWhereNothingIsTighter) {
  make_server();
  EXPECT_EQ(find(8080)->cpu, MilliCpu{3000});
}

TEST_F(Discovery, CpuIsTheTightestQuotaUpTheV1Hierarchy) {
  make_server();
  made_up_.file("proc/50/cgroup", "3:cpu,cpuacct:/a/b\n0::/\n");
  made_up_.file("cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
  made_up_.file("cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  made_up_.file("cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "75000\n");
  made_up_.file("cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(find(8080)->cpu, MilliCpu{1500});
}

TEST_F(Discovery, LimitsAreReadFromV2) {
  make_server();
  made_up_.file("proc/50/cgroup", "0::/a\n");
  made_up_.file("cgroup/cgroup.controllers", "cpuset cpu memory\n");
  made_up_.file("cgroup/a/cpu.max", "20000 100000\n");
  made_up_.file("cgroup/a/memory.max", "134217728\n");
  EXPECT_EQ(find(8080)->cpu, MilliCpu{200});
  EXPECT_EQ(find(8080)->memory, Bytes{128u << 20});
}

TEST_F(Discovery, MemoryWithoutALimitIsWhatTheTreeUsesButAtLeast64Mi) {
  make_server();
  EXPECT_EQ(find(8080)->memory, Bytes{64u << 20});
  // 100,000 pages of its own each and 1,000 shared.
  for (int pid : {50, 51}) made_up_.file("proc/" + std::to_string(pid) + "/statm", "200000 101000 1000 0 0 0 0\n");
  EXPECT_EQ(find(8080)->memory, Bytes{201'000ull * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))});
}

TEST_F(Discovery, ALimitAboveTheMachinesMemoryIsNone) {
  make_server();
  made_up_.file("proc/meminfo", "MemTotal:        1048576 kB\n");
  made_up_.file("proc/50/cgroup", "4:memory:/a\n");
  made_up_.file("cgroup/memory/a/memory.limit_in_bytes", "4294967296\n");
  EXPECT_EQ(find(8080)->memory, Bytes{64u << 20});
}

TEST_F(Discovery, ATreeIsTheRootAndItsDescendants) {
  made_up_.process(1, 0, "init");
  made_up_.process(10, 1, "a");
  made_up_.process(11, 10, "b");
  made_up_.process(12, 11, "c");
  made_up_.process(13, 1, "stranger");
  EXPECT_THAT(process_tree(made_up_.proc(), 10), ElementsAre(10, 11, 12));
  EXPECT_TRUE(process_tree(made_up_.proc(), 99).empty());
}

TEST_F(Discovery, ANameMayHoldBracketsAndSpaces) {
  made_up_.process(10, 7, "a) S (b");
  const auto process = read_process(made_up_.proc(), 10);
  ASSERT_TRUE(process);
  EXPECT_EQ(process->name, "a) S (b");
  EXPECT_EQ(process->parent, 7);
  EXPECT_EQ(process->start_ticks, 100u);
}

}  // namespace
}  // namespace gnomon::discovery
