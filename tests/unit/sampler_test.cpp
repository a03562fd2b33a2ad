#include "agent/sampling/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <vector>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/protocol.h"

namespace gnomon::sampling {
namespace {

// Its requests' key is their endpoint; an empty one has none.
class KeyedByEndpoint final : public protocol::Protocol {
 public:
  std::string_view name() const override { return "keyed"; }
  Match match(std::string_view) const override { return Match::kNo; }
  std::unique_ptr<protocol::RequestFramer> framer(std::uint64_t, bool, const protocol::Limits&) const override {
    return nullptr;
  }
  std::unique_ptr<protocol::Client> client(const protocol::ClientSettings&) const override { return nullptr; }
  std::optional<std::uint64_t> key(const protocol::Request& request, std::string_view) const override {
    if (request.endpoint.empty()) return std::nullopt;
    return protocol::stable_hash(request.endpoint);
  }
};

const KeyedByEndpoint kKeyed;

protocol::Request on(std::uint64_t conn_id) {
  protocol::Request request;
  request.conn_id = conn_id;
  return request;
}

protocol::Request of_key(std::uint64_t key, std::uint64_t conn_id = 1) {
  protocol::Request request = on(conn_id);
  request.protocol = &kKeyed;
  request.endpoint = "user-" + std::to_string(key);
  return request;
}

// A deviation of n draws with probability p that happens by chance less than once in 10^6 runs.
double most(double n, double p) {
  return 5 * std::sqrt(n * p * (1 - p)) + 1;
}

TEST(Sampler, KnowsItsSelectors) {
  EXPECT_EQ(*parse_selector("connection"), Selector::kConnection);
  EXPECT_EQ(*parse_selector("request"), Selector::kRequest);
  EXPECT_EQ(*parse_selector("header:x-user"), Selector::kKey);
  EXPECT_EQ(*parse_selector("key"), Selector::kKey);
  EXPECT_EQ(*parse_selector("user"), Selector::kKey);
  for (const char* wrong : {"", "header:", "Connection", "random", "header"})
    EXPECT_FALSE(parse_selector(wrong).ok()) << wrong;
}

TEST(Sampler, KeepsEveryRequestOfTheConnectionsThatTheKernelChose) {
  Sampler sampler({.fraction = {0.05}});
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_TRUE(sampler.choose(on(i % 7)));
  EXPECT_EQ(sampler.inclusion_probability(), 1);
}

TEST(Sampler, KeepsAllAndNoneAtTheEnds) {
  Sampler all({.fraction = {1}, .selector = "request"}), none({.fraction = {0}, .selector = "request"});
  Sampler all_keys({.fraction = {1}, .selector = "key"}), no_key({.fraction = {0}, .selector = "key"});
  for (std::uint64_t i = 0; i < 5000; ++i) {
    EXPECT_TRUE(all.choose(on(i % 7)));
    EXPECT_FALSE(none.choose(on(i % 7)));
    EXPECT_TRUE(all_keys.choose(of_key(i)));
    EXPECT_FALSE(no_key.choose(of_key(i)));
  }
}

// Each position in a connection's life is kept with probability π, whatever the fraction's relation to the windows.
TEST(Sampler, IncludesEachRequestWithExactlyTheFractionAsProbability) {
  constexpr int kRuns = 4000, kRequests = 24;
  for (const double fraction : {0.02, 0.1, 0.3, 0.4, 0.5, 0.6, 0.75, 0.95}) {
    std::vector<int> kept(kRequests);
    for (int seed = 0; seed < kRuns; ++seed) {
      Sampler sampler({.fraction = {fraction}, .selector = "request", .seed = static_cast<std::uint64_t>(seed)});
      for (int& count : kept) count += sampler.choose(on(42));
    }
    for (int position = 0; position < kRequests; ++position)
      EXPECT_NEAR(kept[position], kRuns * fraction, most(kRuns, fraction)) << fraction << " at " << position;
  }
}

TEST(Sampler, WeighsSumsOfTheSampleToThoseOfAllTraffic) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> size(6, 1.5);
  std::vector<double> sizes(60'000);
  double total = 0, error = 0;
  for (double& s : sizes) total += s = size(random);
  constexpr int kRuns = 40;
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    Sampler sampler({.fraction = {0.07}, .selector = "request", .seed = seed});
    double estimate = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i)
      if (sampler.choose(on(i % 300))) estimate += sizes[i] / sampler.inclusion_probability();
    error += (estimate - total) / total / kRuns;
  }
  EXPECT_NEAR(error, 0, 0.02);
}

// One connection makes half of all requests: chosen as a whole it is nothing or nearly everything of the sample.
TEST(Sampler, BoundsWhatABusyConnectionHasOfTheSample) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Sampler sampler({.fraction = {0.1}, .selector = "request", .seed = seed});
    int busy = 0, all = 0;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const bool is_busy = i % 2 == 0;
      const bool kept = sampler.choose(on(is_busy ? 1'000'000 : i));
      busy += kept && is_busy;
      all += kept;
    }
    // 10,000 requests in windows of 10, shared with some ten requests of other connections.
    EXPECT_LE(busy, 1003);
    EXPECT_GE(busy, 980);
    EXPECT_NEAR(static_cast<double>(busy) / all, 0.5, 0.04);
  }
}

TEST(Sampler, IsNotInStepWithTrafficThatHasAPeriod) {
  Sampler sampler({.fraction = {0.1}, .selector = "request", .seed = 3});
  int heavy = 0;
  for (int i = 0; i < 100'000; ++i) heavy += sampler.choose(on(5)) && i % 10 == 0;
  EXPECT_NEAR(heavy, 1000, most(10'000, 0.1));
}

TEST(Sampler, KeepsOrLeavesAllRequestsOfAKeyOnEveryConnection) {
  Sampler one({.fraction = {0.2}, .selector = "header:x-user", .seed = 9});
  Sampler another({.fraction = {0.2}, .selector = "header:x-user", .seed = 9});
  std::set<std::uint64_t> chosen;
  for (std::uint64_t key = 0; key < 20'000; ++key)
    if (one.choose(of_key(key))) chosen.insert(key);
  EXPECT_NEAR(static_cast<double>(chosen.size()), 4000, most(20'000, 0.2));
  for (std::uint64_t key = 20'000; key-- > 0;)
    EXPECT_EQ(another.choose(of_key(key, /*conn_id=*/key)), chosen.contains(key));
}

// Two nodes of one session, and two releases, must agree: these are constants of the format.
TEST(Sampler, ChoosesTheSameKeysInEveryProcess) {
  Sampler sampler({.fraction = {0.25}, .selector = "user", .seed = 1});
  std::string chosen;
  for (std::uint64_t key = 0; key < 32; ++key) chosen += sampler.choose(of_key(key)) ? '1' : '0';
  EXPECT_EQ(chosen, "00101100001110000000000010000010");
}

TEST(Sampler, OfALargerFractionTheKeysOfASmallerOneAreAPart) {
  Sampler sampler({.fraction = {0.1}, .selector = "key", .seed = 4});
  std::vector<bool> before;
  for (std::uint64_t key = 0; key < 2000; ++key) before.push_back(sampler.choose(of_key(key)));
  sampler.set_fraction({0.3});
  int more = 0;
  for (std::uint64_t key = 0; key < 2000; ++key) {
    const bool now = sampler.choose(of_key(key));
    EXPECT_TRUE(now || !before[key]);
    more += now;
  }
  EXPECT_NEAR(more, 600, most(2000, 0.3));
}

TEST(Sampler, TreatsRequestsWithoutTheKeyAsSingleOnes) {
  Sampler sampler({.fraction = {0.1}, .selector = "key", .seed = 4});
  int kept = 0;
  for (int i = 0; i < 10'000; ++i) {
    protocol::Request request = on(8);
    request.protocol = &kKeyed;
    kept += sampler.choose(request);
  }
  EXPECT_NEAR(kept, 1000, 1);
}

TEST(Sampler, FollowsAChangedFractionAtOnce) {
  Sampler sampler({.fraction = {0.5}, .selector = "request", .seed = 2});
  for (const double fraction : {0.01, 0.8, 0.25, 1.0, 0.0}) {
    sampler.set_fraction({fraction});
    EXPECT_EQ(sampler.inclusion_probability(), fraction);
    int kept = 0;
    for (int i = 0; i < 50'000; ++i) kept += sampler.choose(on(i % 10));
    EXPECT_NEAR(kept, 50'000 * fraction, most(50'000, fraction)) << fraction;
  }
}

}  // namespace
}  // namespace gnomon::sampling
