#include "agent/sampling/representativeness.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "agent/sampling/sampler.h"

namespace gnomon::sampling {
namespace {

using namespace std::chrono_literals;

// A service with twenty endpoints of unequal weight, sizes and gaps that differ between connections.
struct Traffic {
  explicit Traffic(std::uint64_t seed) : random(seed) {}

  struct Request {
    std::uint64_t conn_id;
    MonoTime arrival;
    std::string bytes;
  };
  Request next() {
    const auto conn_id = 1 + random() % 200;
    now += Nanos(static_cast<std::int64_t>(std::exponential_distribution<>(1e-5)(random)));
    const int endpoint = static_cast<int>(std::geometric_distribution<>(0.2)(random)) % 20;
    std::string bytes =
        "GET /" + std::string(1, static_cast<char>('a' + endpoint)) + "/" + std::to_string(random() % 1000);
    bytes += " HTTP/1.1\r\n" + std::string(static_cast<std::size_t>(std::lognormal_distribution<>(5, 1)(random)), 'x');
    return {conn_id, now, std::move(bytes)};
  }

  std::mt19937_64 random;
  MonoTime now{1s};
};

// `keep` chooses; compared are all of `n` requests and those.
template <class Keep>
std::optional<Representativeness> compare_sample(std::uint64_t seed, int n, Keep keep) {
  Traffic traffic(seed);
  MixRecorder all, sample;
  for (int i = 0; i < n; ++i) {
    const Traffic::Request request = traffic.next();
    all.add(request.conn_id, request.arrival, request.bytes, true);
    sample.add(request.conn_id, request.arrival, request.bytes, keep(request));
  }
  return compare(sample.mix(), all.mix());
}

TEST(Representativeness, IsNearlyOneForFairSamplesOfAnySize) {
  for (const double fraction : {0.02, 0.1, 0.5}) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      Sampler sampler({.fraction = {fraction}, .selector = "request", .seed = seed});
      const auto score = compare_sample(seed, 10'000, [&](const Traffic::Request& request) {
        protocol::Request framed;
        framed.conn_id = request.conn_id;
        return sampler.choose(framed);
      });
      ASSERT_TRUE(score);
      EXPECT_GT(score->score, 0.93) << "fraction " << fraction << " seed " << seed << " " << score->worst();
    }
  }
}

TEST(Representativeness, NamesEndpointsWhenSomeAreMissing) {
  const auto score = compare_sample(1, 20'000, [](const Traffic::Request& request) { return request.bytes[5] > 'b'; });
  ASSERT_TRUE(score);
  EXPECT_LT(score->score, 0.8);
  EXPECT_EQ(score->worst(), "endpoints");
  EXPECT_GT(score->sizes, 0.95);
}

TEST(Representativeness, NamesSizesWhenOnlySmallOnesAreKept) {
  const auto score =
      compare_sample(2, 20'000, [](const Traffic::Request& request) { return request.bytes.size() < 150; });
  ASSERT_TRUE(score);
  EXPECT_LT(score->score, 0.8);
  EXPECT_EQ(score->worst(), "sizes");
}

TEST(Representativeness, NamesGapsWhenBurstsAreLost) {
  Traffic traffic(3);
  MixRecorder all, sample;
  MonoTime now{1s};
  for (int i = 0; i < 20'000; ++i) {  // pairs, 10 µs apart, every 10 ms
    const bool second = i % 2 == 1;
    now += second ? Nanos(10us) : Nanos(10ms);
    const Traffic::Request request = traffic.next();
    all.add(1, now, request.bytes, true);
    sample.add(1, now, request.bytes, !second);
  }
  const auto score = compare(sample.mix(), all.mix());
  ASSERT_TRUE(score);
  EXPECT_LT(score->score, 0.8);
  EXPECT_EQ(score->worst(), "gaps");
}

TEST(Representativeness, IsZeroForAnotherServicesRequests) {
  MixRecorder all, sample;
  for (int i = 0; i < 1000; ++i) {
    all.add(1, MonoTime(1s) + i * 1ms, "GET /x HTTP/1.1\r\n", true);
    sample.add(1, MonoTime(1s) + i * 1ms, "POST /y HTTP/1.1\r\n", true);
  }
  EXPECT_LT(compare(sample.mix(), all.mix())->endpoints, 0.15);
}

TEST(Representativeness, SaysNothingOfTooFewRequests) {
  EXPECT_FALSE(compare_sample(4, 99, [](const auto&) { return true; }));
  EXPECT_FALSE(compare(traffic_mix{}, traffic_mix{}));
}

__u32 class_of(const std::string& text) {
  unsigned char begin[MIX_BEGINNING] = {};
  text.copy(reinterpret_cast<char*>(begin), MIX_BEGINNING);
  return mix_endpoint(begin, static_cast<__u32>(text.size()));
}

TEST(MixEndpoint, IsTheTextUpToTheSecondSpaceWithItsDigitsAlike) {
  EXPECT_EQ(class_of("GET /users/17 HTTP/1.1\r\nHost: a"), class_of("GET /users/42 HTTP/1.0\r\nHost: b"));
  EXPECT_NE(class_of("GET /users HTTP/1.1\r\n"), class_of("GET /orders HTTP/1.1\r\n"));
  EXPECT_EQ(class_of("PING\r\nabc"), class_of("PING\r\nxyz"));
  EXPECT_EQ(class_of("aaaaaaaaaaaaaaaabbb"), class_of("aaaaaaaaaaaaaaaacccccccc"));  // 16 and more
  EXPECT_EQ(class_of("short"), class_of("short"));
  EXPECT_LT(class_of(""), static_cast<__u32>(MIX_ENDPOINTS));
}

}  // namespace
}  // namespace gnomon::sampling
