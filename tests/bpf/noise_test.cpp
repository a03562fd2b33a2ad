#include <cmath>
#include <vector>

#include "tests/bpf/noise_link.h"

namespace gnomon::noise {
namespace {

using PacketNoiseTest = NoiseLink;

TEST_F(PacketNoiseTest, OffItTouchesAndCountsNothing) {
  packets_->set({.loss = Fraction{1}, .refusal = Fraction{1}}, false);
  const Pair pair = connected();
  ASSERT_TRUE(converse(pair, 20));
  EXPECT_EQ(counted().packets, 0u);
  EXPECT_EQ(counted().attempts, 0u);
}

TEST_F(PacketNoiseTest, DropsTheShareAskedForInBothDirectionsAndTcpMakesGood) {
  const Pair pair = connected();
  packets_->set({.loss = Fraction{0.02}}, true);
  // The window is large: one lost packet in many costs a repeat and no time-out.
  ASSERT_TRUE(converse(pair, 4, 20u << 20));
  const noise_counters seen = counted();
  expect_share(seen.dropped, seen.packets, 0.02);
  EXPECT_GT(seen.dropped, 0u);
}

TEST_F(PacketNoiseTest, DuplicatesTheShareAskedForAndTheStreamIsTheSame) {
  const Pair pair = connected();
  packets_->set({.duplication = Fraction{0.2}}, true);
  ASSERT_TRUE(converse(pair, 500));
  const noise_counters seen = counted();
  expect_share(seen.duplicated, seen.offered, 0.2);
}

TEST_F(PacketNoiseTest, RefusesTheShareOfConnectionsAskedForAsAClosedPortDoes) {
  packets_->set({.refusal = Fraction{0.3}}, true);
  for (const bool v6 : {false, true}) {
    const std::uint64_t before = counted().attempts, refused_before = counted().refused;
    std::uint64_t refused = 0;
    constexpr int kConnections = 300;
    for (int i = 0; i < kConnections; ++i) {
      const int fd = connect(v6);
      if (fd >= 0) {
        ::close(fd);
        continue;
      }
      EXPECT_EQ(-fd, ECONNREFUSED);
      ++refused;
    }
    EXPECT_EQ(counted().attempts - before, static_cast<std::uint64_t>(kConnections));
    EXPECT_EQ(counted().refused - refused_before, refused);
    expect_share(refused, kConnections, 0.3);
  }
}

TEST_F(PacketNoiseTest, OtherPortsAreLeftAlone) {
  auto other = Packets::load(kPort + 1);
  ASSERT_TRUE(other.ok()) << other.status();
  packets_ = *std::move(other);
  in(client_, "tc qdisc delete dev replay0 clsact");
  in(service_, "tc qdisc delete dev shadow0 clsact");
  attach(client_, {"replay0", false});
  attach(service_, {"shadow0", true});
  packets_->set({.loss = Fraction{1}, .refusal = Fraction{1}}, true);
  const Pair pair = connected();
  EXPECT_TRUE(converse(pair, 20));
}

TEST_F(PacketNoiseTest, ARateLimitHoldsForResponsesAndEndsWithTheNoise) {
  std::unique_ptr<Shaper> shaper;
  const absl::Status made = shadow::run_inside(service_.get(), CLONE_NEWNET, [&]() -> absl::Status {
    auto shaping = Shaper::make("shadow0");
    if (shaping.ok()) shaper = *std::move(shaping);
    return shaping.status();
  });
  if (!made.ok()) GTEST_SKIP() << "no htb on this kernel: " << made;
  ASSERT_TRUE(shaper->set({.rate = 80'000'000}).ok());
  const Pair pair = connected();
  ASSERT_TRUE(converse(pair, 1, 1u << 20));
  EXPECT_EQ(shaper->read()->bytes, 0u);
  packets_->set({.shape = true}, true);
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(converse(pair, 1, 3u << 20));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const Shaper::Totals sent = *shaper->read();
  EXPECT_GE(sent.bytes, 3u << 20);
  // 3 MiB at 10 MB a second: never faster, whatever the machine is doing.
  EXPECT_LE(static_cast<double>(sent.bytes) / seconds, 10e6 * 1.05 + 65536 / seconds);
  packets_->set({}, false);
  ASSERT_TRUE(converse(pair, 1, 1u << 20));
  EXPECT_EQ(shaper->read()->bytes, sent.bytes);
}

TEST_F(PacketNoiseTest, ReordersTheShareAskedForWhereThereIsNetem) {
  if (const absl::Status there =
          shadow::run_inside(shadow::new_network_namespace()->get(), CLONE_NEWNET, [] { return try_queue("netem"); });
      !there.ok())
    GTEST_SKIP() << "no netem on this kernel: " << there;
  std::unique_ptr<Shaper> shaper;
  const absl::Status made = shadow::run_inside(service_.get(), CLONE_NEWNET, [&]() -> absl::Status {
    auto shaping = Shaper::make("shadow0");
    if (!shaping.ok()) return shaping.status();
    shaper = *std::move(shaping);
    return shaper->set({.reordering = Fraction{0.25}});
  });
  ASSERT_TRUE(made.ok()) << made;
  const Pair pair = connected();
  packets_->set({.shape = true}, true);
  ASSERT_TRUE(converse(pair, 1000));
  const Shaper::Totals seen = *shaper->read();
  EXPECT_GE(seen.packets, 1000u);
  expect_share(seen.reordered, seen.packets, 0.25);
  std::printf("%llu of %llu packets reordered\n", static_cast<unsigned long long>(seen.reordered),
              static_cast<unsigned long long>(seen.packets));
}

}  // namespace
}  // namespace gnomon::noise
