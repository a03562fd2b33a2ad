#include "agent/replay/loop.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace gnomon::replay {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct Recorder final : Loop::Handler {
  Recorder(std::vector<std::string>& its_said, std::string its_name) : said(its_said), name(std::move(its_name)) {}
  void on_ready(std::uint32_t) override {
    said.push_back(name + " ready");
    if (then) then();
  }
  void on_time() override {
    said.push_back(name + " time");
    if (then) then();
  }
  std::vector<std::string>& said;
  std::string name;
  std::function<void()> then;
};

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    here.reset(ends[0]);
    there.reset(ends[1]);
  }
  UniqueFd here, there;
};

class LoopTest : public ::testing::Test {
 protected:
  Loop loop;
  std::vector<std::string> said;
  Recorder a{said, "a"}, b{said, "b"};
};

TEST_F(LoopTest, CallsInTheOrderOfTimeAndOnlyOnce) {
  const auto now = steady_clock::now();
  loop.wake(b, now + milliseconds(2));
  loop.wake(a, now + hours(1));
  loop.wake(a, now + milliseconds(1));  // in place of that before
  while (said.size() < 2) loop.run_once(hours(1));
  loop.run_once(milliseconds(-1));
  EXPECT_EQ(said, (std::vector<std::string>{"a time", "b time"}));
}

TEST_F(LoopTest, WhatIsWokenForThePastLeavesTheSocketsTheirTurn) {
  Pair pair;
  loop.wake(a, steady_clock::now());
  a.then = [&] {
    if (said.size() > 1) return;
    loop.wake(a, MonoTime{});
    ASSERT_TRUE(loop.watch(pair.here.get(), b));
  };
  while (said.size() < 3) loop.run_once(hours(1));
  EXPECT_EQ(said, (std::vector<std::string>{"a time", "b ready", "a time"}));
  loop.forget(b);
}

TEST_F(LoopTest, WhatIsForgottenIsNotCalledThoughItWasReadyAtTheSameTime) {
  Pair first, second;
  ASSERT_TRUE(loop.watch(first.here.get(), a));
  ASSERT_TRUE(loop.watch(second.here.get(), b));
  loop.wake(a, MonoTime{});
  loop.wake(b, MonoTime{});
  a.then = [&] { loop.forget(b); };
  b.then = [&] { loop.forget(a); };
  loop.run_once(hours(1));
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0].substr(0, 1), said[1].substr(0, 1)) << "one of them has forgotten the other";
  loop.forget(a);
  loop.forget(b);
}

TEST_F(LoopTest, TellsOfASocketWhenSomethingCameAndAgainWhenAsked) {
  Pair pair;
  ASSERT_TRUE(loop.watch(pair.here.get(), a));
  loop.run_once(hours(1));  // it can be written
  ASSERT_EQ(::write(pair.there.get(), "x", 1), 1);
  loop.run_once(hours(1));
  loop.run_once(milliseconds(0));
  EXPECT_EQ(said.size(), 2u);
  loop.watch_again(pair.here.get(), a);
  loop.run_once(hours(1));
  EXPECT_EQ(said.size(), 3u);
  loop.forget(a);
}

TEST_F(LoopTest, RunsWhatOtherThreadsPostInTheirOrderUntilItIsStopped) {
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&order, i] { order.push_back(i); });
    loop.stop();
  });
  loop.run();
  other.join();
  ASSERT_EQ(order.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

}  // namespace
}  // namespace gnomon::replay
