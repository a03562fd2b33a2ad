#include "agent/session/pauses.h"

#include <algorithm>
#include <numeric>

#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;

Nanos sum(const std::vector<Nanos>& pieces) {
  return std::accumulate(pieces.begin(), pieces.end(), Nanos(0));
}

TEST(Pauses, CutALongBlockAtRandomMomentsAndLeaveNothingOut) {
  Pauses pauses(1);
  const std::vector<Nanos> pieces = pauses.cut(10min);
  EXPECT_EQ(sum(pieces), 10min);
  EXPECT_GT(pieces.size(), 10u);
  EXPECT_LT(pieces.size(), 80u);
  EXPECT_GE(*std::ranges::min_element(pieces), 5s);
  EXPECT_NE(pieces[0], pieces[1]);
  EXPECT_NE(pieces, Pauses(2).cut(10min));
  EXPECT_EQ(pieces, Pauses(1).cut(10min));
}

TEST(Pauses, LeaveAShortBlockWhole) {
  Pauses pauses(1);
  EXPECT_EQ(pauses.cut(3s), std::vector<Nanos>{3s});
}

TEST(Pauses, BecomeRarer) {
  Pauses pauses(1);
  const std::size_t first = pauses.cut(1h).size(), second = pauses.cut(1h).size();
  EXPECT_LT(second, first);
  EXPECT_GT(second, 5u);
}

TEST(Pauses, AreComparedWithWhatComesBeforeAsOftenAsAfter) {
  Pauses pauses(3);
  int before = 0;
  for (int i = 0; i < 1000; ++i) before += pauses.before();
  EXPECT_NEAR(before, 500, 60);
}

TEST(WindowLength, IsEnoughForRequestsButShort) {
  EXPECT_EQ(window_length(1000, 1s, 10s), 700ms);
  EXPECT_EQ(window_length(25, 1s, 10s), 2s);
  EXPECT_EQ(window_length(0, 1s, 10s), 3s);
  EXPECT_EQ(window_length(25, 1s, 1500ms), 750ms);
}

}  // namespace
}  // namespace gnomon::session
