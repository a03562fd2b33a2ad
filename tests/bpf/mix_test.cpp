// What requests look like, of connections that are sampled and of those that are not.

#include <numeric>

#include "agent/sampling/representativeness.h"
#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::Service;

constexpr std::size_t kExchanges = 60;  // of each connection
constexpr std::size_t kRequestBytes = 64;

std::string get(const std::string& path) {
  std::string request = "GET " + path + " HTTP/1.1\r\n\r\n";
  request.insert(request.size() - 2, std::string(kRequestBytes - request.size(), 'x'));
  return request;
}

__u32 class_of(const std::string& request) {
  unsigned char begin[MIX_BEGINNING] = {};
  request.copy(reinterpret_cast<char*>(begin), MIX_BEGINNING);
  return mix_endpoint(begin, static_cast<__u32>(request.size()));
}

template <std::size_t N>
std::uint64_t sum(const __u64 (&counts)[N]) {
  return std::accumulate(counts, counts + N, std::uint64_t{0});
}

class Mixes : public EachTap {
 protected:
  void start() {
    load();
    if (IsSkipped() || HasFailure()) return;
    watch(service.listener(), 0);
    service.start();
  }
  void sample(double fraction) { ASSERT_TRUE(probe->set_sampled_fraction(slot, Fraction{fraction}).ok()); }
  // On new connections, one after the other; each asks for the paths in turn, over again.
  void ask(int connections, const std::vector<std::string>& paths) {
    for (int c = 0; c < connections; ++c) {
      const UniqueFd client = service.connect();
      for (std::size_t i = 0; i < kExchanges; ++i) {
        loopback::send_all(client.get(), get(paths[i % paths.size()]));
        ASSERT_EQ(loopback::receive(client.get(), 2).size(), 2u);
      }
    }
  }
  probe_mixes mixes() { return probe->read_mixes(slot).value(); }

  Service service{[](int fd) {
    while (loopback::receive(fd, kRequestBytes).size() == kRequestBytes) loopback::send_all(fd, "ok");
  }};
};

constexpr double kNearlyNone = 1e-9, kNearlyAll = 1 - 1e-9;

TEST_P(Mixes, OneRequestInFourIsGlancedAtWhetherItsConnectionIsSampledOrNot) {
  start();
  if (IsSkipped() || HasFailure()) return;
  const std::vector<std::string> paths = {"/a", "/b", "/c"};
  sample(kNearlyNone);
  ask(20, paths);
  sample(kNearlyAll);
  ask(20, paths);
  const probe_mixes seen = mixes();
  // Binomial: 600 with a standard deviation of 21, and half of that; five of them.
  EXPECT_NEAR(static_cast<double>(sum(seen.all.size)), 600, 105);
  EXPECT_NEAR(static_cast<double>(sum(seen.sampled.size)), 300, 75);
  EXPECT_EQ(seen.all.size[mix_class(kRequestBytes, MIX_SIZES)], sum(seen.all.size));
  EXPECT_EQ(sum(seen.all.gap), sum(seen.all.size));
  std::uint64_t of_paths = 0;
  for (const std::string& path : paths) {
    EXPECT_NEAR(static_cast<double>(seen.all.endpoint[class_of(get(path))]), 200, 65);
    of_paths += seen.all.endpoint[class_of(get(path))];
  }
  EXPECT_EQ(of_paths, sum(seen.all.endpoint));
  EXPECT_GT(sampling::compare(seen.sampled, seen.all)->score, 0.9);
}

TEST_P(Mixes, ConnectionsUnlikeTheOthersMakeASampleUnlikeAll) {
  start();
  if (IsSkipped() || HasFailure()) return;
  sample(kNearlyAll);
  ask(15, {"/reports"});
  sample(kNearlyNone);
  ask(30, {"/login"});
  const probe_mixes seen = mixes();
  const auto likeness = sampling::compare(seen.sampled, seen.all);
  ASSERT_TRUE(likeness);
  EXPECT_EQ(likeness->worst(), "endpoints");
  EXPECT_LT(likeness->score, 0.6);
}

TEST_P(Mixes, ThinningHoldsForThemAsWell) {
  start();
  if (IsSkipped() || HasFailure()) return;
  sample(kNearlyNone);
  ASSERT_TRUE(probe->set_thinning(slot, 2).ok());
  ask(20, {"/a"});
  EXPECT_LT(sum(mixes().all.size), 130u);  // 75 of 1200, or 300 where nothing is thinned
}

TEST_P(Mixes, WhereAllIsSampledThereIsNothingToCompare) {
  start();
  if (IsSkipped() || HasFailure()) return;
  sample(1);
  ask(5, {"/a"});
  EXPECT_EQ(sum(mixes().all.size), 0u);
}

TEST_P(Mixes, ASlotBeginsWithoutWhatItsFormerOwnerSaw) {
  start();
  if (IsSkipped() || HasFailure()) return;
  sample(kNearlyNone);
  ask(5, {"/a"});
  ASSERT_GT(sum(mixes().all.size), 0u);
  probe->release_slot(slot);
  EXPECT_FALSE(probe->read_mixes(slot).ok());
  ASSERT_EQ(probe->take_slot().value(), slot);
  EXPECT_EQ(sum(mixes().all.size), 0u);
}

INSTANTIATE_TEST_SUITE_P(Design, Mixes, ::testing::ValuesIn(kTapDesigns), design_of);

}  // namespace
}  // namespace gnomon
