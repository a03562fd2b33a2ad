#include "agent/session/steadiness.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

telemetry::Histogram second(Nanos all, std::uint64_t requests = 100) {
  telemetry::Histogram histogram;
  histogram.record(all, requests);
  return histogram;
}

TEST(Steadiness, NeedsThreeWindows) {
  Steadiness steadiness;
  steadiness.add(second(2ms));
  steadiness.add(second(2ms));
  EXPECT_FALSE(steadiness.steady());
  steadiness.add(second(2ms));
  EXPECT_TRUE(steadiness.steady());
  EXPECT_EQ(steadiness.describe().substr(0, 8), "medians ");
}

TEST(Steadiness, IsNotThereWhileCodeIsCompiledAndCachesFill) {
  Steadiness steadiness;
  Nanos median = 20ms;
  for (int i = 0; i < 8; ++i, median = median * 4 / 5) {
    steadiness.add(second(median));
    EXPECT_FALSE(steadiness.steady());
  }
  for (int i = 0; i < 3; ++i) steadiness.add(second(median));
  EXPECT_TRUE(steadiness.steady());
}

TEST(Steadiness, PutsSecondsWithFewRequestsTogether) {
  Steadiness steadiness;
  for (int i = 0; i < 11; ++i) steadiness.add(second(2ms, 5));
  EXPECT_EQ(steadiness.windows(), 2u);
  EXPECT_FALSE(steadiness.steady());
  EXPECT_EQ(steadiness.describe(), "too few requests to tell");
  steadiness.add(second(2ms, 5));
  EXPECT_TRUE(steadiness.steady());
}

TEST(Steadiness, IsNotThereWhileLatencyFallsWithinEachSecondAsWell) {
  Steadiness steadiness;
  for (const Nanos highest : {100ms, 70ms, 40ms}) {
    telemetry::Histogram histogram;
    for (int i = 1; i <= 20; ++i) histogram.record(highest * i / 20);
    steadiness.add(histogram);
  }
  EXPECT_FALSE(steadiness.steady()) << steadiness.describe();
}

TEST(Steadiness, LeavesAloneWhatChanceDoesToFewRequests) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> time(std::log(2e6), 0.5);
  int steady = 0;
  for (int session = 0; session < 100; ++session) {
    Steadiness steadiness;
    for (int window = 0; window < 3; ++window) {
      telemetry::Histogram histogram;
      for (int i = 0; i < 25; ++i) histogram.record(Nanos(std::llround(time(random))));
      steadiness.add(histogram);
    }
    steady += steadiness.steady();
  }
  EXPECT_GE(steady, 80);
}

}  // namespace
}  // namespace gnomon::session
