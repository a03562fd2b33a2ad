#include "agent/metrics/usage.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/made_up_proc.h"

namespace gnomon::metrics {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using ::testing::HasSubstr;

class UsageOfTree : public ::testing::Test {
 protected:
  void SetUp() override {
    made_up_.process(1, 0, "init");
    made_up_.process(50, 1, "server");
    made_up_.process(51, 50, "worker");
  }
  void ran(int pid, int thread, long nanos) {
    made_up_.file("proc/" + std::to_string(pid) + "/task/" + std::to_string(thread) + "/schedstat",
                  std::to_string(nanos) + " 5 6\n");
  }
  auto open(int pid = 50) { return UsageReader::open(made_up_.proc(), made_up_.cgroup(), pid); }
  MadeUpProc made_up_;
};

TEST_F(UsageOfTree, SumsTheThreadsOfAllProcessesInTheRootCgroup) {
  ran(50, 50, 100);
  ran(50, 55, 20);
  ran(51, 51, 3);
  const auto reader = open();
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto usage = (*reader)->read();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->cpu, nanoseconds(123));
  EXPECT_EQ(usage->throttled, nanoseconds(0));
  // 200 pages of each process's own, 100 shared.
  EXPECT_EQ(usage->memory, Bytes{500ull * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))});
  EXPECT_THAT((*reader)->source(), HasSubstr("2 processes"));
}

TEST_F(UsageOfTree, NeverFallsWhenAThreadEndsOrItsNumberIsReused) {
  ran(50, 50, 100);
  ran(51, 51, 1000);
  const auto reader = open();
  ASSERT_TRUE(reader.ok()) << reader.status();
  ran(50, 50, 150);
  ran(51, 51, 7);  // another thread of that number
  EXPECT_EQ((*reader)->read()->cpu, nanoseconds(1157));
  std::filesystem::remove_all(made_up_.proc() + "/51");
  EXPECT_EQ((*reader)->read()->cpu, nanoseconds(1157));
}

TEST_F(UsageOfTree, AnEndedProcessIsAnError) {
  ran(50, 50, 100);
  const auto reader = open();
  ASSERT_TRUE(reader.ok());
  std::filesystem::remove_all(made_up_.proc() + "/50");
  EXPECT_EQ((*reader)->read().status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(open(99).ok());
}

class UsageOfCgroupV1 : public UsageOfTree {
 protected:
  void SetUp() override {
    UsageOfTree::SetUp();
    for (int pid : {50, 51})
      made_up_.file("proc/" + std::to_string(pid) + "/cgroup", "1:cpu:/a\n2:cpuacct:/a\n3:memory:/a\n");
    for (const char* controller : {"cpu", "cpuacct", "memory"}) members(controller, "50\n51\n");
    made_up_.file("cgroup/cpu/a/cpu.stat", "nr_periods 4\nnr_throttled 1\nthrottled_time 777\n");
    made_up_.file("cgroup/cpuacct/a/cpuacct.usage", "12345\n");
    made_up_.file("cgroup/memory/a/memory.usage_in_bytes", "1000\n");
    made_up_.file("cgroup/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 300\n");
  }
  void members(const std::string& controller, const std::string& pids) {
    made_up_.file("cgroup/" + controller + "/a/cgroup.procs", pids);
  }
};

TEST_F(UsageOfCgroupV1, IsReadFromItsFiles) {
  const auto reader = open();
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto usage = (*reader)->read();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->cpu, nanoseconds(12345));
  EXPECT_EQ(usage->throttled, nanoseconds(777));
  EXPECT_EQ(usage->throttles, 1u);
  EXPECT_EQ(usage->memory, Bytes{700});
  EXPECT_EQ((*reader)->source(), "cgroup v1 /a");
}

TEST_F(UsageOfCgroupV1, ACgroupSharedWithStrangersIsNotTheServices) {
  made_up_.process(60, 1, "wrk");
  members("cpuacct", "50\n51\n60\n");
  ran(50, 50, 5);
  const auto reader = open();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->read()->cpu, nanoseconds(5));
}

TEST_F(UsageOfTree, IsReadFromCgroupV2) {
  for (int pid : {50, 51}) made_up_.file("proc/" + std::to_string(pid) + "/cgroup", "0::/a\n");
  made_up_.file("cgroup/cgroup.controllers", "cpu memory\n");
  made_up_.file("cgroup/a/cgroup.procs", "50\n51\n");
  made_up_.file("cgroup/a/cpu.stat", "usage_usec 12\nuser_usec 6\nnr_throttled 2\nthrottled_usec 3\n");
  made_up_.file("cgroup/a/memory.current", "1000\n");
  made_up_.file("cgroup/a/memory.stat", "anon 1\ninactive_file 400\n");
  const auto reader = open();
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto usage = (*reader)->read();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->cpu, microseconds(12));
  EXPECT_EQ(usage->throttled, microseconds(3));
  EXPECT_EQ(usage->throttles, 2u);
  EXPECT_EQ(usage->memory, Bytes{600});
}

TEST(UsageOfThisProcess, GrowsWithWork) {
  const auto reader = UsageReader::open("/proc", "/sys/fs/cgroup", ::getpid());
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto before = (*reader)->read();
  ASSERT_TRUE(before.ok());
  EXPECT_GT(before->memory.value, 0u);
  volatile std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < 50'000'000; ++i) sum = sum + i;
  EXPECT_GT((*reader)->read()->cpu, before->cpu);
}

}  // namespace
}  // namespace gnomon::metrics
