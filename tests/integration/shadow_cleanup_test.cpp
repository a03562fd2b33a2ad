// An agent that is killed takes its shadows with it; the next one removes the rest.

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/shadow.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

class ShadowCleanup : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string missing = missing_for_shadows(); !missing.empty()) GTEST_SKIP() << missing;
  }

  // A process with a runtime and a running shadow; tells the shadow's pid. It lives until it is killed.
  void start_agent(std::uint16_t port) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    agent_ = ::fork();
    ASSERT_GE(agent_, 0);
    if (agent_ == 0) {
      pid_t shadow_pid = -1;
      const auto instance = wait_for_instance(port);
      auto runtime = Runtime::create(state_.path(), kTestBudget);
      if (instance.ok() && runtime.ok()) {
        auto shadow = (*runtime)->start({"s1", *instance, MilliCpu{250}, Bytes{128u << 20}});
        if (shadow.ok() && (*shadow)->wait_ready({kReadyTimeout}).ok()) shadow_pid = (*shadow)->pid();
        if (::write(out.get(), &shadow_pid, sizeof shadow_pid) != sizeof shadow_pid) ::_exit(1);
        while (true) ::pause();
      }
      ::_exit(1);
    }
    out.reset();
    ASSERT_EQ(::read(in.get(), &shadow_, sizeof shadow_), static_cast<ssize_t>(sizeof shadow_));
    ASSERT_GT(shadow_, 0);
    name_ = fmt::format("{}-{}", agent_, discovery::read_process("/proc", agent_)->start_ticks);
  }

  void kill_agent() {
    ::kill(agent_, SIGKILL);
    ::waitpid(agent_, nullptr, 0);
    agent_ = 0;
  }

  void TearDown() override {
    if (agent_ > 0) kill_agent();
    (void)sweep(state_.path(), false);
  }

  TemporaryDirectory files_, state_;
  pid_t agent_ = 0, shadow_ = 0;
  std::string name_;
};

bool is_of_kind(const std::vector<Leftover>& found, const std::string& kind) {
  return std::any_of(found.begin(), found.end(), [&](const Leftover& it) { return it.kind == kind; });
}

TEST_F(ShadowCleanup, AKilledAgentsShadowDiesByItselfAndSweepRemovesTheRest) {
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "0.0.0.0", std::to_string(port)}, "/");
  ASSERT_NO_FATAL_FAILURE(start_agent(port));
  pollfd end{static_cast<int>(::syscall(SYS_pidfd_open, shadow_, 0)), POLLIN, 0};
  const UniqueFd owner(end.fd);
  ASSERT_GE(end.fd, 0);
  kill_agent();
  EXPECT_EQ(::poll(&end, 1, 10'000), 1) << "the shadow has survived its agent";

  const auto seen = sweep(state_.path(), true);
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_TRUE(is_of_kind(*seen, "cgroup"));
  EXPECT_TRUE(is_of_kind(*seen, "state directory"));
  EXPECT_FALSE(agent_cgroups(kCgroupRoot, name_).empty()) << "looking has removed something";

  const auto removed = sweep(state_.path(), false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  for (const Leftover& leftover : *removed) EXPECT_EQ(leftover.problem, "") << leftover.kind << " " << leftover.what;
  EXPECT_TRUE(agent_cgroups(kCgroupRoot, name_).empty());
  const auto again = sweep(state_.path(), false);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->empty());
  EXPECT_TRUE(http_get(-1, "127.0.0.1", port, "/").ok()) << "production was harmed";
}

TEST_F(ShadowCleanup, WhatBelongsToALivingAgentIsNotTouched) {
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "0.0.0.0", std::to_string(port)}, "/");
  ASSERT_NO_FATAL_FAILURE(start_agent(port));
  const auto found = sweep(state_.path(), false);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->empty());
  EXPECT_TRUE(discovery::read_process("/proc", shadow_));
  EXPECT_FALSE(agent_cgroups(kCgroupRoot, name_).empty());
}

TEST_F(ShadowCleanup, AShadowThatOutlivesItsAgentIsKilledBySweep) {
  const std::uint16_t port = free_port();
  const Service python({"/usr/bin/python3", files_.file("eval.py", kEvalServer), "0.0.0.0", std::to_string(port)}, "/");
  ASSERT_NO_FATAL_FAILURE(start_agent(port));
  // A stopped first process cannot see that its lease has ended.
  ASSERT_EQ(::kill(shadow_, SIGSTOP), 0);
  pollfd end{static_cast<int>(::syscall(SYS_pidfd_open, shadow_, 0)), POLLIN, 0};
  const UniqueFd owner(end.fd);
  kill_agent();
  const auto removed = sweep(state_.path(), false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_TRUE(is_of_kind(*removed, "process"));
  for (const Leftover& leftover : *removed) EXPECT_EQ(leftover.problem, "") << leftover.kind << " " << leftover.what;
  EXPECT_EQ(::poll(&end, 1, 0), 1) << "the process is alive";
  EXPECT_TRUE(sweep(state_.path(), true)->empty());
}

// Not only what a session leaves: an agent may also be killed while it tries a container runtime out.
TEST_F(ShadowCleanup, WhatATrialOfAContainerRuntimeLeftIsRemoved) {
  const std::string agent = state_.path() + "/4194303-1/";
  state_.file("4194303-1/lock", "");
  state_.file("4194303-1/trial/config.json", "{}");
  state_.file("4194303-1/trial/runtime/trial/status", "{}");
  const auto removed = sweep(state_.path(), false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  for (const Leftover& leftover : *removed) EXPECT_EQ(leftover.problem, "") << leftover.kind << " " << leftover.what;
  EXPECT_NE(::access(agent.c_str(), F_OK), 0);
}

TEST_F(ShadowCleanup, NothingIsFoundWhereNoAgentHasBeen) {
  const auto found = sweep(state_.path() + "/nowhere", false);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->empty());
}

}  // namespace
}  // namespace gnomon::shadow
