// The limits that the agent's cgroup is made with, in whichever cgroup version the kernel has mounted.

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

#include "agent/shadow/cgroups.h"
#include "agent/shadow/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::shadow {
namespace {

class CgroupLimits : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const auto all = hierarchies(kCgroupRoot);
    if (all.empty()) GTEST_SKIP() << "no cgroups at " << kCgroupRoot;
  }
  void TearDown() override {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    EXPECT_TRUE(remove_cgroups(agent_cgroups(kCgroupRoot, agent_)).ok());
    remove_empty_parents(kCgroupRoot);
  }

  void make(Budget budget, const std::vector<int>& cpus = {}) {
    const absl::Status made = make_budget_cgroup(kCgroupRoot, agent_, budget, cpus);
    ASSERT_TRUE(made.ok()) << std::string(made.message());
  }

  // Runs `work` in a process of the cgroup; in v2 that has to be a leaf, as a shadow's is.
  void run_inside(const std::function<void()>& work, const std::string& name = "session") {
    std::vector<std::string> leaves;
    for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_)) {
      if (!directory.ends_with("/" + agent_)) continue;
      leaves.push_back(directory + "/" + name);
      ASSERT_EQ(::mkdir(leaves.back().c_str(), 0755), 0) << leaves.back();
    }
    child_ = ::fork();
    if (child_ != 0) return;
    ::alarm(60);  // if the test dies
    for (const std::string& leaf : leaves) std::ofstream(leaf + "/cgroup.procs") << ::getpid();
    work();
    ::_exit(0);
  }

  // The largest number behind `key` in any `file` of the agent's cgroups; 0 if there is none.
  std::uint64_t value(const std::string& file, const std::string& key) const {
    std::uint64_t largest = 0;
    for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_)) {
      std::ifstream in(directory + "/" + file);
      std::string name;
      for (std::uint64_t number = 0; in >> name >> number;)
        if (name == key) largest = std::max(largest, number);
    }
    return largest;
  }

  // Of the session's own cgroup, beside the agent's.
  absl::Status limit_session(const Limits& limits) { return set_limits(kCgroupRoot, session_cgroup(), limits); }
  std::string session_cgroup() const { return cgroup_path(agent_, "session"); }

  // The first word of the first of these files that a hierarchy has for the session; empty if none has.
  std::string session_file(const std::vector<std::string>& names) const {
    for (const Hierarchy& hierarchy : hierarchies(kCgroupRoot))
      for (const std::string& name : names) {
        std::string word;
        if (std::ifstream(hierarchy.mount + session_cgroup() + "/" + name) >> word) return word;
      }
    return "";
  }
  bool waits_for(const std::function<bool()>& condition) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < deadline) ::usleep(20'000);
    return condition();
  }

  bool has(const std::string& v1, const std::string& v2) const {
    const auto directories = agent_cgroups(kCgroupRoot, agent_);
    return std::ranges::any_of(directories, [&](const std::string& directory) {
      return ::access((directory + "/" + v1).c_str(), F_OK) == 0 || ::access((directory + "/" + v2).c_str(), F_OK) == 0;
    });
  }

  const std::string agent_ = "kernel-test-" + std::to_string(::getpid());
  pid_t child_ = 0;
};

TEST_F(CgroupLimits, AProcessThatWantsMoreCpuThanItsBudgetIsThrottled) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{100}, .memory = Bytes{128u << 20}});
  if (HasFatalFailure()) return;
  if (!has("cpu.cfs_quota_us", "cpu.max")) GTEST_SKIP() << "no cpu controller";
  run_inside([] {
    while (true) ::getppid();
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (value("cpu.stat", "nr_throttled") < 3 && std::chrono::steady_clock::now() < deadline) ::usleep(20'000);
  EXPECT_GE(value("cpu.stat", "nr_throttled"), 3u);
  // Throttled in most periods in which it ran: it is one process that never waits.
  EXPECT_GE(value("cpu.stat", "nr_throttled") * 2, value("cpu.stat", "nr_periods"));
}

TEST_F(CgroupLimits, AProcessThatTakesMoreMemoryThanItsBudgetIsKilled) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{1000}, .memory = Bytes{32u << 20}});
  if (HasFatalFailure()) return;
  if (!has("memory.limit_in_bytes", "memory.max")) GTEST_SKIP() << "no memory controller";
  constexpr std::size_t kTaken = 96u << 20;
  run_inside([] {
    void* taken = ::mmap(nullptr, kTaken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (taken != MAP_FAILED) std::memset(taken, 1, kTaken);
  });
  int status = 0;
  ASSERT_EQ(::waitpid(std::exchange(child_, 0), &status, 0) > 0, true);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended with " << WEXITSTATUS(status) << " and had all it asked for";
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST_F(CgroupLimits, TwoShadowsTogetherHaveNoMoreMemoryThanTheBudget) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{1000}, .memory = Bytes{64u << 20}});
  if (HasFatalFailure()) return;
  if (!has("memory.limit_in_bytes", "memory.max")) GTEST_SKIP() << "no memory controller";
  constexpr std::size_t kTaken = 48u << 20;  // fits into the budget once, and into each one's own limit
  std::vector<pid_t> shadows;
  for (const std::string name : {"one", "two"}) {
    run_inside(
        [] {
          void* taken = ::mmap(nullptr, kTaken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          if (taken != MAP_FAILED) std::memset(taken, 1, kTaken);
          while (true) ::pause();
        },
        name);
    shadows.push_back(std::exchange(child_, 0));
  }
  int status = 0;
  pid_t killed = 0;
  EXPECT_TRUE(waits_for([&] {
    for (const pid_t shadow : shadows)
      if (killed == 0 && ::waitpid(shadow, &status, WNOHANG) == shadow) killed = shadow;
    return killed != 0;
  })) << "both have what they asked for";
  EXPECT_TRUE(killed != 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  for (const pid_t shadow : shadows) {
    if (shadow == killed) continue;
    ::kill(shadow, SIGKILL);
    ::waitpid(shadow, nullptr, 0);
  }
}

TEST_F(CgroupLimits, CpuOfARunningShadowIsChanged) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{1000}, .memory = Bytes{128u << 20}});
  if (HasFatalFailure()) return;
  if (!has("cpu.cfs_quota_us", "cpu.max")) GTEST_SKIP() << "no cpu controller";
  run_inside([] {
    while (true) ::getppid();
  });
  for (const auto& [cpu, quota] : {std::pair{200, "20000"}, std::pair{50, "5000"}, std::pair{400, "40000"}}) {
    Limits limits;
    limits.cpu = MilliCpu{cpu};
    const absl::Status set = limit_session(limits);
    ASSERT_TRUE(set.ok()) << std::string(set.message());
    EXPECT_EQ(session_file({"cpu.cfs_quota_us", "cpu.max"}), quota);
  }
}

TEST_F(CgroupLimits, MemoryOfARunningShadowIsNotTakenFromWhatItUses) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{1000}, .memory = Bytes{256u << 20}});
  if (HasFatalFailure()) return;
  if (!has("memory.limit_in_bytes", "memory.max")) GTEST_SKIP() << "no memory controller";
  constexpr std::uint64_t kTaken = 64u << 20;
  run_inside([] {
    void* taken = ::mmap(nullptr, kTaken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (taken != MAP_FAILED) std::memset(taken, 1, kTaken);
    while (true) ::pause();
  });
  const auto used = [this] {
    return std::strtoull(session_file({"memory.usage_in_bytes", "memory.current"}).c_str(), nullptr, 10);
  };
  ASSERT_TRUE(waits_for([&] { return used() > kTaken; })) << used();
  const auto limit = [this](std::uint64_t mebibytes) {
    Limits limits;
    limits.memory = Bytes{mebibytes << 20};
    return limit_session(limits);
  };
  const std::vector<std::string> files = {"memory.limit_in_bytes", "memory.max"};
  for (const std::uint64_t mebibytes : {200u, 128u, 160u}) {
    const absl::Status set = limit(mebibytes);
    ASSERT_TRUE(set.ok()) << std::string(set.message());
    EXPECT_EQ(session_file(files), std::to_string(mebibytes << 20));
  }
  const absl::Status refused = limit(32);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << std::string(refused.message());
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("in use"));
  EXPECT_EQ(session_file(files), std::to_string(160u << 20));
  EXPECT_EQ(::waitpid(child_, nullptr, WNOHANG), 0) << "it was killed";
}

TEST_F(CgroupLimits, AForkBombStopsAtTheLimitOfAllShadowsTogether) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{1000}, .memory = Bytes{256u << 20}});
  if (HasFatalFailure()) return;
  if (!has("pids.max", "pids.max")) GTEST_SKIP() << "no pids controller";
  Limits limits;
  limits.processes = 20;
  const absl::Status set = set_limits(kCgroupRoot, "/gnomon/" + agent_, limits);
  ASSERT_TRUE(set.ok()) << std::string(set.message());
  run_inside([] {
    int forked = 0;
    std::vector<pid_t> children;
    for (pid_t child = 0; forked < 100 && (child = ::fork()) >= 0; ++forked) {
      if (child == 0)
        while (true) ::pause();
      children.push_back(child);
    }
    for (const pid_t child : children) ::kill(child, SIGKILL);
    while (::wait(nullptr) > 0) {
    }
    ::_exit(forked);
  });
  int status = 0;
  ASSERT_GT(::waitpid(std::exchange(child_, 0), &status, 0), 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 19) << "beside the process that forks";
}

TEST_F(CgroupLimits, ShadowsComeLastForCpuAndDisk) {
  if (IsSkipped()) return;
  make({.cpu = MilliCpu{1000}, .memory = Bytes{256u << 20}});
  if (HasFatalFailure()) return;
  const auto expect = [this](const std::string& file, const std::string& least) {
    for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_)) {
      std::ifstream in(directory + "/" + file);
      std::string text;
      if (!std::getline(in, text)) continue;
      EXPECT_EQ(text, least) << directory << "/" << file;
    }
  };
  expect("cpu.shares", "2");
  expect("cpu.weight", "1");
  expect("io.weight", "default 1");
  expect("io.bfq.weight", "default 1");
  expect("blkio.bfq.weight", "1");
}

TEST_F(CgroupLimits, ShadowsAreKeptToTheProcessorsThatTheyAreGiven) {
  make({.cpu = MilliCpu{1000}, .memory = Bytes{64u << 20}}, {0});
  if (HasFatalFailure()) return;
  if (!has("cpuset.cpus", "cpuset.cpus")) GTEST_SKIP() << "no cpuset controller";
  run_inside([] {
    while (true) ::pause();
  });
  // In v1 each cgroup has a set of its own, which an OCI runtime fills in: here nobody has.
  Limits limits;
  limits.cpus = {0};
  ASSERT_TRUE(limit_session(limits).ok());
  for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_))
    if (directory.ends_with("/session")) std::ofstream(directory + "/cgroup.procs") << child_;
  const auto affinity = [this] {
    cpu_set_t set;
    return ::sched_getaffinity(child_, sizeof set, &set) == 0 && CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set);
  };
  EXPECT_TRUE(waits_for(affinity));
}

TEST_F(CgroupLimits, HandsDownNoControllerThatItDoesNotNeed) {
  std::string root;
  for (const Hierarchy& hierarchy : hierarchies(kCgroupRoot))
    if (hierarchy.v2 && ::access((hierarchy.mount + "/cpu.stat").c_str(), F_OK) == 0) root = hierarchy.mount;
  std::string all;
  std::getline(std::ifstream(root + "/cgroup.controllers"), all);
  if (all.find("cpu") == std::string::npos) GTEST_SKIP() << "no controllers in cgroup v2";
  make({.cpu = MilliCpu{1000}, .memory = Bytes{64u << 20}});
  if (HasFatalFailure()) return;
  for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_)) {
    std::string handed;
    std::getline(std::ifstream(directory + "/cgroup.subtree_control"), handed);
    EXPECT_EQ(handed, "cpu memory pids");
  }
}

// As an OCI runtime does, which hands down all there are.
TEST_F(CgroupLimits, TakesBackWhatAnotherHasHandedDown) {
  make({.cpu = MilliCpu{1000}, .memory = Bytes{64u << 20}});
  if (HasFatalFailure()) return;
  const HandedDown before = handed_down(kCgroupRoot, agent_);
  const bool spare = std::ranges::any_of(before, [](const auto& level) {
    return level.second.contains("cpu") && !level.second.contains("io") && !level.second.contains("cpuset");
  });
  if (!spare) GTEST_SKIP() << "no controllers in cgroup v2 that are not handed down";
  for (auto level = before.rbegin(); level != before.rend(); ++level)
    for (const char* controller : {"+io", "+cpuset"})
      std::ofstream(level->first + "/cgroup.subtree_control") << controller << std::flush;
  EXPECT_NE(handed_down(kCgroupRoot, agent_), before);
  take_back(before);
  EXPECT_EQ(handed_down(kCgroupRoot, agent_), before);
}

TEST(DiskTime, IsGivenOutByWeightsOnlyWhereADisksSchedulerDoesThat) {
  std::string directory = ::testing::TempDir() + "gnomon-disks-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  std::filesystem::create_directories(directory + "/block/vda/queue");
  const auto choose = [&](const char* schedulers) {
    std::ofstream(directory + "/block/vda/queue/scheduler") << schedulers;
  };
  choose("none [mq-deadline] bfq\n");
  const absl::Status none = knows_io_weights(directory, directory + "/block");
  EXPECT_TRUE(absl::IsFailedPrecondition(none)) << none;
  EXPECT_THAT(std::string(none.message()), ::testing::HasSubstr("/sys/block/DISK/queue/scheduler"));
  choose("none mq-deadline [bfq]\n");
  EXPECT_TRUE(knows_io_weights(directory, directory + "/block").ok());
  EXPECT_FALSE(knows_io_weights(directory, directory + "/nothing").ok());
  std::filesystem::remove_all(directory);
}

TEST(CpusOfShadows, AreTheLastThatTheBudgetNeedsWhereMostAreLeftToProduction) {
  EXPECT_EQ(cpus_of_shadows({0, 1, 2, 3}, MilliCpu{1000}), std::vector<int>({3}));
  EXPECT_EQ(cpus_of_shadows({0, 1, 2, 3, 6, 7}, MilliCpu{2100}), std::vector<int>({3, 6, 7}));
  EXPECT_EQ(cpus_of_shadows({0, 1, 2, 3}, MilliCpu{2100}), std::vector<int>()) << "more than half";
  EXPECT_EQ(cpus_of_shadows({0, 1}, MilliCpu{500}), std::vector<int>()) << "too few to part";
}

}  // namespace
}  // namespace gnomon::shadow
