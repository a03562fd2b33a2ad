// Programs that are run to their end, or to the end of patience.

#include "agent/shadow/tool.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::shadow {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

ToolRun shell(const std::string& script, std::chrono::seconds longest = 60s) {
  return {.argv = {"/bin/sh", "-c", script}, .cgroups = {}, .longest = longest};
}

TEST(Tool, IsFoundWhereProgramsUsuallyAre) {
  EXPECT_THAT(find_program("sh"), HasSubstr("/sh"));
  EXPECT_EQ(find_program("gnomon-no-such-program"), "");
}

TEST(Tool, WhatItSaysLastIsItsError) {
  EXPECT_TRUE(run_tool(shell("exit 0")).ok());
  EXPECT_THAT(std::string(run_tool(shell("echo; echo '  tag is not found  '; echo more >&2; exit 3")).message()),
              HasSubstr("sh ended with status 3: tag is not found | more"));
  EXPECT_THAT(std::string(run_tool(shell("kill -9 $$")).message()), HasSubstr("ended with signal 9: it wrote nothing"));
}

TEST(Tool, InheritsNothingButAPath) {
  ASSERT_EQ(::setenv("GNOMON_TEST", "set", 1), 0);
  EXPECT_TRUE(run_tool(shell("[ -z \"$GNOMON_TEST\" ] && [ -n \"$PATH\" ] && ! read line")).ok());
}

TEST(Tool, IsEndedWithItsTimeAndWhenItIsNotWaitedFor) {
  EXPECT_EQ(run_tool(shell("exec sleep 1000", 0s)).code(), absl::StatusCode::kDeadlineExceeded);
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  ToolRun run = shell("exec sleep 1000");
  run.stop = stop.get();
  EXPECT_EQ(run_tool(run).code(), absl::StatusCode::kCancelled);
}

TEST(Tool, EndsWithTheProcessThatRunsIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);  // the tool holds an end of it as well
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  const pid_t parent = ::fork();
  ASSERT_GE(parent, 0);
  if (parent == 0) {
    (void)run_tool(shell("echo begun >&" + std::to_string(out.get()) + "; exec sleep 1000"));
    ::_exit(0);
  }
  out.reset();
  char text[8];
  ASSERT_EQ(::read(in.get(), text, sizeof text), 6);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  pollfd wait{in.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 20'000), 1) << "the tool has outlived its parent";
  EXPECT_EQ(::read(in.get(), text, sizeof text), 0);
}

}  // namespace
}  // namespace gnomon::shadow
