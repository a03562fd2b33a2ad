#include "agent/session/held_cpu.h"

#include "agent/discovery/procfs.h"
#include "gtest/gtest.h"
#include "tests/unit/made_up_proc.h"

namespace gnomon::session {
namespace {

class HeldCpuTest : public testing::Test {
 protected:
  std::string read(const std::string& name) const {
    return discovery::read_file(made_up_.cgroup() + name).value_or("");
  }
  MadeUpProc made_up_;
};

TEST_F(HeldCpuTest, GetsNextToNothingUntilItIsLetGo) {
  made_up_.file("proc/50/cgroup", "0::/a\n");
  made_up_.file("cgroup/cgroup.controllers", "cpu memory\n");
  made_up_.file("cgroup/a/cpu.max", "25000 100000\n");
  auto held = HeldCpu::hold(made_up_.proc(), made_up_.cgroup(), 50);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(read("/a/cpu.max"), "1000");
  ASSERT_TRUE(held->let_go().ok());
  EXPECT_EQ(read("/a/cpu.max"), "25000 100000");
  made_up_.file("cgroup/a/cpu.max", "40000 100000\n");
  EXPECT_TRUE(held->let_go().ok()) << "once is enough";
  EXPECT_EQ(read("/a/cpu.max"), "40000 100000\n");
}

TEST_F(HeldCpuTest, HoldsByTheQuotaOfV1) {
  made_up_.file("proc/50/cgroup", "1:cpu:/a\n");
  made_up_.file("cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  auto held = HeldCpu::hold(made_up_.proc(), made_up_.cgroup(), 50);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(read("/cpu/a/cpu.cfs_quota_us"), "1000");
  ASSERT_TRUE(held->let_go().ok());
  EXPECT_EQ(read("/cpu/a/cpu.cfs_quota_us"), "-1");
}

TEST_F(HeldCpuTest, HoldsNothingWhereThereIsNoQuota) {
  made_up_.file("proc/50/cgroup", "0::/\n");
  auto held = HeldCpu::hold(made_up_.proc(), made_up_.cgroup(), 50);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_TRUE(held->let_go().ok());
}

}  // namespace
}  // namespace gnomon::session
