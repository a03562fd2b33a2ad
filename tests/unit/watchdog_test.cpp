#include "agent/session/watchdog.h"

#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// A service of log-normal service times (median 2 ms) whose rate and speed wander, as production's do.
class Service {
 public:
  explicit Service(std::uint64_t seed, double requests = 200) : random_(seed), requests_(requests) {}

  // A window of it, `slower` times slower than it would be.
  Watchdog::Window window(double slower = 1) {
    std::normal_distribution<double> step(0, 1);
    drift_ = 0.9 * drift_ + 0.1 * step(random_);  // what it does by itself lasts for several windows
    std::poisson_distribution<int> count(requests_ * std::exp(0.3 * step(random_)));
    std::lognormal_distribution<double> time(std::log(2e6) + drift_ + trend_, 0.8);
    trend_ += worse_;
    Watchdog::Window window{.service_time = {}, .throttled = 10ms, .span = 500ms};
    for (int left = count(random_); left > 0; --left)
      window.service_time.record(Nanos(std::llround(time(random_) * slower)));
    return window;
  }
  void grow_worse(double each_window) { worse_ = each_window; }
  bool coin() { return (random_() & 1) != 0; }

 private:
  std::mt19937_64 random_;
  const double requests_;
  double drift_ = 0, trend_ = 0, worse_ = 0;
};

constexpr int kPauses = 24;

// After how many pauses it is sure of it; 0: not in this session. Work comes before the pause, or after it.
int found_after(Service service, double slower, Fraction bound = {0.02}, int pauses = kPauses) {
  Watchdog watchdog(bound);
  for (int pause = 1; pause <= pauses; ++pause) {
    const bool before = service.coin();
    const Watchdog::Window first = service.window(before ? slower : 1), second = service.window(before ? 1 : slower);
    watchdog.add(before ? first : second, before ? second : first);
    if (watchdog.exceeded()) return pause;
  }
  return 0;
}

int ended_of(int sessions, double requests, double slower, int pauses, double worse = 0) {
  int ended = 0;
  for (int session = 0; session < sessions; ++session) {
    Service service(static_cast<std::uint64_t>(session), requests);
    service.grow_worse(worse);
    ended += found_after(service, slower, {0.02}, pauses) > 0;
  }
  return ended;
}

// At most 2.5% of sessions; the limits leave room for three standard errors of so many.
TEST(Watchdog, SeldomEndsASessionThatCostsNothing) {
  for (const double requests : {25.0, 200.0})
    EXPECT_LE(ended_of(400, requests, 1, kPauses), 20) << requests << " requests in a window";
}

TEST(Watchdog, SeldomEndsALongSessionThatCostsAllThatItMay) {
  EXPECT_LE(ended_of(100, 50, 1.02, 200), 7);
}

TEST(Watchdog, SeldomTakesForItsCostThatProductionGrowsWorseByItself) {
  EXPECT_LE(ended_of(400, 200, 1, kPauses, 0.05), 20);
}

TEST(Watchdog, FindsWhatProductionPaysFor) {
  int found = 0, soon = 0;
  for (std::uint64_t session = 0; session < 100; ++session) {
    const int pause = found_after(Service(session), 2);
    found += pause > 0;
    soon += pause > 0 && pause <= 14;  // of a session of a minute
  }
  EXPECT_GE(found, 99);
  EXPECT_GE(soon, 90);
}

TEST(Watchdog, FindsAFifthMoreInTheEnd) {
  EXPECT_GE(ended_of(50, 700, 1.2, 60), 48);
}

// By p99s alone nine in ten such sessions take up to 22 pauses (windows of 140 requests).
TEST(Watchdog, FindsHalfMoreOfAllSlowRequestsSoon) {
  int soon = 0;
  for (std::uint64_t session = 0; session < 100; ++session) {
    const int pause = found_after(Service(session, 140), 1.5);
    soon += pause > 0 && pause <= 14;
  }
  EXPECT_GE(soon, 90);
}

// What the slow requests are mostly untouched by.
TEST(Watchdog, FindsWhatHappensToTheSlowestAlone) {
  int found = 0;
  for (std::uint64_t session = 0; session < 50; ++session) {
    Watchdog watchdog(Fraction{0.02});
    std::mt19937_64 random(session);
    std::uniform_real_distribution<double> share(0, 1);
    const auto window = [&](double tail) {
      Watchdog::Window made{.span = 500ms};
      for (int i = 0; i < 500; ++i)
        made.service_time.record(Nanos(std::llround((share(random) < 0.02 ? tail : 1) * (1 + share(random)) * 1e6)));
      return made;
    };
    for (int pause = 0; pause < kPauses && !watchdog.exceeded(); ++pause) watchdog.add(window(12), window(4));
    found += watchdog.exceeded().has_value();
  }
  EXPECT_GE(found, 48);
}

TEST(Watchdog, LeavesAloneWhatIsWithinTheBound) {
  int ended = 0;
  for (std::uint64_t session = 0; session < 100; ++session) ended += found_after(Service(session), 1.4, {0.5}) > 0;
  EXPECT_LE(ended, 5);
}

TEST(Watchdog, LeavesAloneWhatNobodyNotices) {
  Watchdog watchdog(Fraction{0.02});
  for (int pause = 0; pause < kPauses; ++pause) {
    Watchdog::Window working, paused;
    working.service_time.record(30us, 100);  // twice as long, and 15 µs
    paused.service_time.record(15us, 100);
    watchdog.add(working, paused);
  }
  EXPECT_FALSE(watchdog.exceeded());
  EXPECT_NEAR(watchdog.cost().p99_ratio, 2, 0.05);
}

TEST(Watchdog, SaysWhatItCosts) {
  Watchdog watchdog(Fraction{0.02});
  Service service(7, 2000);
  for (int pause = 0; pause < kPauses; ++pause) {
    Watchdog::Window working = service.window(1.5);
    working.throttled = 15ms;
    working.throttles = 3;
    working.bytes = 1000;
    working.lost_bytes = 10;
    watchdog.add(working, service.window());
  }
  const ProductionCost cost = watchdog.cost();
  EXPECT_EQ(cost.pauses, static_cast<unsigned>(kPauses));
  EXPECT_LT(cost.p99_ratio_low, 1.5);
  EXPECT_GT(cost.p99_ratio_high, 1.5);
  EXPECT_GT(cost.p99_ratio_low, 1.2);
  EXPECT_DOUBLE_EQ(cost.throttled_on, 0.03);
  EXPECT_DOUBLE_EQ(cost.throttled_off, 0.02);
  EXPECT_DOUBLE_EQ(cost.throttles_on, 6);
  EXPECT_DOUBLE_EQ(cost.throttles_off, 0);
  EXPECT_DOUBLE_EQ(cost.lost_on, 0.01);
  EXPECT_DOUBLE_EQ(cost.bound, 0.02);
  EXPECT_TRUE(cost.exceeded);
  EXPECT_THAT(*watchdog.exceeded(), StartsWith("production's p99 +"));
  EXPECT_THAT(*watchdog.exceeded(), HasSubstr(") with the shadow on, bound 2%: "));
}

TEST(Watchdog, FindsThatProductionIsThrottledMore) {
  Watchdog watchdog(Fraction{0.02});
  for (int pause = 0; pause < kPauses; ++pause) {
    Watchdog::Window working{.service_time = {}, .throttled = 60ms + 1ms * (pause % 3), .span = 500ms};
    watchdog.add(working, {.service_time = {}, .throttled = 10ms, .span = 500ms});
  }
  ASSERT_TRUE(watchdog.exceeded());
  EXPECT_THAT(*watchdog.exceeded(), StartsWith("production is throttled for 12.2% of its time with the shadow on, 2%"));
  EXPECT_EQ(watchdog.cost().left_out, static_cast<unsigned>(kPauses));
}

TEST(Watchdog, WithoutABoundItOnlyTells) {
  Watchdog watchdog(std::nullopt);
  Service service(7, 2000);
  for (int pause = 0; pause < kPauses; ++pause) watchdog.add(service.window(4), service.window());
  EXPECT_FALSE(watchdog.exceeded());
  EXPECT_GT(watchdog.cost().p99_ratio_low, 2);
}

TEST(Watchdog, LeavesOutPausesWithTooFewRequests) {
  Watchdog watchdog(Fraction{0.02});
  Watchdog::Window few;
  few.service_time.record(1ms, 5);
  for (int pause = 0; pause < kPauses; ++pause) watchdog.add(few, few);
  EXPECT_EQ(watchdog.cost().pauses, 0u);
  EXPECT_EQ(watchdog.cost().left_out, static_cast<unsigned>(kPauses));
  EXPECT_FALSE(watchdog.exceeded());
}

TEST(Watchdog, DescribesAChangeWithItsLimits) {
  EXPECT_EQ(describe_change(1.074, 1.051, 1.098), "+7.4% (+5.1% to +9.8%)");
  EXPECT_EQ(describe_change(0.99, 0.5, 1.5), "-1.0% (-50% to +50%)");
  EXPECT_EQ(describe_change(1.2, 0, 0), "+20%");
}

// A confidence sequence: its limit holds, at every look, in 97.5% of all sessions.
TEST(Centre, IsAboveItsLowerLimitAtEveryLook) {
  constexpr double kCentre = 0.3;
  int missed = 0;
  for (std::uint64_t session = 0; session < 200; ++session) {
    std::mt19937_64 random(session);
    std::student_t_distribution<double> distance(2);  // of infinite variance
    Centre centre(0.2);
    bool within = true;
    for (int i = 0; i < 60; ++i) {
      centre.add(kCentre + 0.1 * distance(random));
      within = within && !centre.above(kCentre, 0.025);
    }
    missed += !within;
  }
  EXPECT_LE(missed, 11);  // 2.5%, and three standard errors
}

TEST(Centre, ClosesInOnIt) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> value(0.3, 0.1);
  Centre centre(0.2);
  EXPECT_TRUE(std::isinf(centre.low(0.025)));
  for (int i = 0; i < 5; ++i) centre.add(value(random));
  EXPECT_TRUE(std::isinf(centre.low(0.025))) << "five can all lie on one side by chance";
  EXPECT_FALSE(centre.above(-10, 0.025));
  for (int i = 0; i < 200; ++i) centre.add(value(random));
  EXPECT_NEAR(centre.estimate(), 0.3, 0.03);
  EXPECT_GT(centre.low(0.025), 0.25);
  EXPECT_LT(centre.high(0.025), 0.35);
  EXPECT_TRUE(centre.above(centre.low(0.025) - 0.001, 0.025));
  EXPECT_FALSE(centre.above(centre.low(0.025) + 0.001, 0.025));
}

}  // namespace
}  // namespace gnomon::session
