#include "agent/session/observer.h"

#include "gtest/gtest.h"
#include "tests/unit/scripted_probe.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

class TestClock final : public Clock {
 public:
  MonoTime now() const override { return MonoTime(at); }
  WallTime wall_now() const override { return WallTime(at); }
  Nanos at{0};
};

class ScriptedUsage final : public metrics::UsageReader {
 public:
  explicit ScriptedUsage(metrics::Usage& usage) : usage_(usage) {}
  absl::StatusOr<metrics::Usage> read() override { return usage_; }
  std::string source() const override { return "script"; }

 private:
  metrics::Usage& usage_;
};

class ObserverTest : public testing::Test {
 protected:
  TestClock clock;
  ScriptedProbe probe;
  metrics::Usage production_usage{.cpu = 5s}, shadow_usage;
  Observer observer{probe,
                    "s-1",
                    clock,
                    {1, std::make_unique<ScriptedUsage>(production_usage)},
                    {2, std::make_unique<ScriptedUsage>(shadow_usage)}};

  std::vector<telemetry::Sample> look(int block, bool settled, std::vector<replay::Reading> readings = {}) {
    auto samples = observer.look(block, settled, {.requests = probe.readings[1].counter[PROBE_REQUESTS] / 2}, readings);
    EXPECT_TRUE(samples.ok());
    return *std::move(samples);
  }
};

TEST_F(ObserverTest, MeasuresFewerOfMoreRequests) {
  probe.thinning[1] = 0;
  clock.at += 1s;
  probe.readings[1].counter[PROBE_REQUESTS] = 3'000;
  look(-1, false);
  EXPECT_EQ(probe.thinning[1], 0u);
  clock.at += 1s;
  probe.readings[1].counter[PROBE_REQUESTS] += 30'000;
  look(-1, false);
  EXPECT_EQ(probe.thinning[1], 4u);  // 30,000 / 2^4 = 1,875
  clock.at += 1s;
  probe.readings[1].counter[PROBE_REQUESTS] += 17'000;  // 1,062 are measured
  look(-1, false);
  EXPECT_EQ(probe.thinning[1], 4u);
  clock.at += 1s;
  probe.readings[1].counter[PROBE_REQUESTS] += 100;
  look(-1, false);
  EXPECT_EQ(probe.thinning[1], 0u);
  EXPECT_FALSE(probe.thinning.contains(2));  // the shadow's
}

TEST_F(ObserverTest, ReportsOnlyWhatHappenedSinceTheLastLook) {
  probe.readings[1].counter[PROBE_REQUESTS] = 100;
  probe.readings[1].service_time.record(2ms, 100);
  production_usage.cpu = 6s;
  clock.at = 1s;
  look(-1, false);
  probe.readings[1].counter[PROBE_REQUESTS] = 130;
  probe.readings[1].service_time.record(8ms, 30);
  clock.at = 3s;
  const auto samples = look(0, true);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].role, telemetry::Role::kProduction);
  EXPECT_EQ(samples[0].requests, 30u);
  EXPECT_EQ(samples[0].service_time.count(), 30u);
  EXPECT_GT(samples[0].service_time.quantile(0.01)->count(), Nanos(7ms).count());
  EXPECT_EQ(samples[0].cpu, 0s);
  EXPECT_EQ(samples[0].span, 2s);
  EXPECT_EQ(samples[0].tap.requests, 15u);
  EXPECT_EQ(observer.captured_requests(), 65u);
}

TEST_F(ObserverTest, TheRecentFractionFollowsAChangeOfTheSample) {
  EXPECT_FALSE(observer.recent_fraction().has_value());
  std::uint64_t captured = 0;
  const auto second = [&](std::uint64_t of_100) {
    probe.readings[1].counter[PROBE_REQUESTS] += 100;
    captured += of_100;
    clock.at += 1s;
    EXPECT_TRUE(observer.look(-1, false, {.requests = captured}, {}).ok());
  };
  for (int i = 0; i < 20; ++i) second(50);
  EXPECT_NEAR(*observer.recent_fraction(), 0.5, 0.001);
  for (int i = 0; i < 15; ++i) second(20);
  EXPECT_NEAR(*observer.recent_fraction(), 0.2 + 0.3 / 8, 0.01);
}

TEST_F(ObserverTest, CreditsALateAnswerToTheBlockItWasDueIn) {
  const auto samples =
      look(3, false,
           {{.block = 2, .settled = true, .replayed = 0, .errors = 1}, {.block = 3, .settled = false, .replayed = 5}});
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(samples[0].block, 2);
  EXPECT_TRUE(samples[0].settled);
  EXPECT_EQ(samples[0].replay_errors, 1u);
  EXPECT_EQ(samples[0].span, 0s);
  EXPECT_EQ(samples[2].block, 3);
  EXPECT_EQ(samples[2].replayed, 5u);
}

TEST_F(ObserverTest, AShrinkingProcessAccountIsNotNegativeTime) {
  production_usage.cpu = 1s;
  EXPECT_EQ(look(-1, false)[0].cpu, 0s);
}

}  // namespace
}  // namespace gnomon::session
