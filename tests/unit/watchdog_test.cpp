#include "agent/session/watchdog.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

// A service of log-normal service times (median 2 ms) whose rate and speed wander, as production's do.
class Service {
 public:
  explicit Service(std::uint64_t seed, double requests = 200) : random_(seed), requests_(requests) {}

  // A window of it, `slower` times slower than it would be.
  Watchdog::Window window(double slower = 1) {
    std::normal_distribution<double> step(0, 1);
    drift_ = 0.9 * drift_ + 0.1 * step(random_);  // what it does by itself lasts for several windows
    std::poisson_distribution<int> count(requests_ * std::exp(0.3 * step(random_)));
    std::lognormal_distribution<double> time(std::log(2e6) + drift_, 0.8);
    Watchdog::Window window{.service_time = {}, .throttled = 10ms, .span = 500ms};
    for (int left = count(random_); left > 0; --left)
      window.service_time.record(Nanos(std::llround(time(random_) * slower)));
    return window;
  }

 private:
  std::mt19937_64 random_;
  const double requests_;
  double drift_ = 0;
};

constexpr int kPauses = 24;  // of the longest plan

// After how many pauses it is sure of it; 0: not in this session.
int found_after(Service service, double slower, Fraction bound = {0.02}) {
  Watchdog watchdog(bound);
  for (int pause = 1; pause <= kPauses; ++pause) {
    const Watchdog::Window working = service.window(slower), paused = service.window();
    watchdog.add(working, paused);
    if (watchdog.exceeded()) return pause;
  }
  return 0;
}

TEST(Watchdog, SeldomEndsASessionThatCostsNothing) {
  for (const double requests : {25.0, 200.0, 1000.0}) {
    int ended = 0;
    constexpr int kSessions = 300;
    for (int session = 0; session < kSessions; ++session)
      ended += found_after(Service(static_cast<std::uint64_t>(session), requests), 1, Fraction{0.0001}) > 0;
    EXPECT_LE(ended, kSessions * 5 / 100) << requests << " requests in a window";
  }
}

TEST(Watchdog, FindsWhatProductionPaysFor) {
  int found = 0, soon = 0;
  for (std::uint64_t session = 0; session < 100; ++session) {
    const int pause = found_after(Service(session), 2);
    found += pause > 0;
    soon += pause > 0 && pause <= 12;
  }
  EXPECT_GE(found, 95);
  EXPECT_GE(soon, 80);
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
    working.throttled = 50ms;
    watchdog.add(working, service.window());
  }
  const ProductionCost cost = watchdog.cost();
  EXPECT_EQ(cost.pauses, static_cast<unsigned>(kPauses));
  EXPECT_LT(cost.p99_ratio_low, 1.5);
  EXPECT_GT(cost.p99_ratio_high, 1.5);
  EXPECT_GT(cost.p99_ratio_low, 1.2);
  EXPECT_DOUBLE_EQ(cost.throttled_on, 0.1);
  EXPECT_DOUBLE_EQ(cost.throttled_off, 0.02);
  EXPECT_DOUBLE_EQ(cost.bound, 0.02);
}

TEST(Watchdog, LeavesOutPausesWithTooFewRequests) {
  Watchdog watchdog(Fraction{0.02});
  Watchdog::Window few;
  few.service_time.record(1ms, 5);
  for (int pause = 0; pause < kPauses; ++pause) watchdog.add(few, few);
  EXPECT_EQ(watchdog.cost().pauses, 0u);
  EXPECT_FALSE(watchdog.exceeded());
}

}  // namespace
}  // namespace gnomon::session
