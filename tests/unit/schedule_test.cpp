#include "agent/replay/schedule.h"

#include <cmath>
#include <map>

#include "gtest/gtest.h"

namespace gnomon::replay {
namespace {

using std::chrono::milliseconds;

constexpr Schedule::Timing kTiming{
    .lag = milliseconds(50), .copy_spread = std::chrono::seconds(1), .max_bytes = 1u << 30};

MonoTime at(int ms) {
  return MonoTime(milliseconds(ms));
}

protocol::Request request(std::uint64_t conn_id, int arrival_ms, std::string bytes = "x") {
  return {
      .conn_id = conn_id, .arrival = at(arrival_ms), .bytes = std::make_shared<const std::string>(std::move(bytes))};
}

std::vector<Due> drain(Schedule& schedule) {
  std::vector<Due> all;
  while (auto due = schedule.pop(MonoTime::max())) all.push_back(*std::move(due));
  return all;
}

TEST(Schedule, TheFirstCopyIsDueTheLagAfterItsArrival) {
  Schedule schedule(kTiming, 1);
  schedule.add(request(1, 1000), 1, at(1010));
  EXPECT_EQ(schedule.next(), at(1050));
  EXPECT_FALSE(schedule.pop(at(1049)).has_value());
  const auto due = schedule.pop(at(1050));
  ASSERT_TRUE(due.has_value());
  EXPECT_FALSE(due->overdue);
  EXPECT_EQ(schedule.copies(), 0u);
  EXPECT_FALSE(schedule.next().has_value());
}

TEST(Schedule, NothingIsDueBeforeItIsKnownAndWhatComesTooLateSaysSo) {
  Schedule schedule(kTiming, 1);
  schedule.add(request(1, 1000), 1, at(1200));
  const auto due = schedule.pop(at(1200));
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(due->at, at(1200));
  EXPECT_TRUE(due->overdue);
}

TEST(Schedule, WholeMultiplicityGivesThatManyCopiesOnDifferentLanes) {
  Schedule schedule(kTiming, 1);
  EXPECT_EQ(schedule.add(request(1, 0), 3, at(0)).copies, 3u);
  std::vector<int> seen(3);
  for (const Due& due : drain(schedule)) ++seen.at(due.copy);
  EXPECT_EQ(seen, (std::vector<int>{1, 1, 1}));
}

TEST(Schedule, FractionalMultiplicityIsMetOnAverage) {
  for (double multiplicity : {0.3, 2.5}) {
    Schedule schedule(kTiming, 2);
    std::uint64_t copies = 0;
    constexpr int kRequests = 4000;
    for (int i = 0; i < kRequests; ++i) copies += schedule.add(request(1, i), multiplicity, at(i)).copies;
    const double share = multiplicity - std::floor(multiplicity);
    EXPECT_NEAR(static_cast<double>(copies), multiplicity * kRequests, 5 * std::sqrt(kRequests * share * (1 - share)));
  }
}

TEST(Schedule, ZeroOrMeaninglessMultiplicityGivesNoCopies) {
  Schedule schedule(kTiming, 1);
  for (double multiplicity : {0.0, -1.0, std::nan("")})
    EXPECT_EQ(schedule.add(request(1, 0), multiplicity, at(0)).copies, 0u);
}

TEST(Schedule, ALaneKeepsTheOrderAndTheGapsOfItsConnection) {
  Schedule schedule(kTiming, 3);
  for (int i = 0; i < 20; ++i) schedule.add(request(9, 10 * i, std::to_string(i)), 4, at(10 * i));
  std::map<std::uint32_t, std::vector<Due>> lanes;
  for (Due& due : drain(schedule)) lanes[due.copy].push_back(std::move(due));
  ASSERT_EQ(lanes.size(), 4u);
  for (const auto& [copy, dues] : lanes) {
    ASSERT_EQ(dues.size(), 20u);
    const Nanos shift = dues[0].at - at(50);
    EXPECT_GE(shift, Nanos(0));
    EXPECT_LE(shift, kTiming.copy_spread);
    if (copy == 0) {
      EXPECT_EQ(shift, Nanos(0));
    }
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(*dues[i].request->bytes, std::to_string(i));
      EXPECT_EQ(dues[i].at, at(50 + 10 * i) + shift);
    }
  }
}

TEST(Schedule, WhatArrivesOutOfOrderIsDueInOrderAllTheSame) {
  Schedule schedule(kTiming, 3);
  const std::vector<int> arrivals = {40, 10, 50, 50, 20, 60, 0, 50};
  for (std::size_t i = 0; i < arrivals.size(); ++i) schedule.add(request(i, arrivals[i], std::to_string(i)), 2, at(0));
  schedule.end(3, at(60));
  const std::vector<Due> all = drain(schedule);
  ASSERT_EQ(all.size(), 2 * arrivals.size() + 2);
  std::string first_copies;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) {
      EXPECT_GE(all[i].at, all[i - 1].at);
    }
    if (all[i].request && all[i].copy == 0) first_copies += *all[i].request->bytes;
  }
  EXPECT_EQ(first_copies, "61402375") << "those of one moment in the order in which they came";
}

TEST(Schedule, ShiftsAreSpreadOverTheWholeRangeAndDifferByLane) {
  Schedule schedule(kTiming, 4);
  constexpr int kConnections = 1000;
  for (int i = 1; i <= kConnections; ++i) schedule.add(request(i, 0), 2, at(0));
  std::vector<int> quarters(4);
  for (const Due& due : drain(schedule))
    if (due.copy == 1) ++quarters.at(std::min<std::size_t>(3, (due.at - at(50)) / milliseconds(250)));
  for (int count : quarters) EXPECT_NEAR(count, kConnections / 4, 5 * std::sqrt(kConnections * 0.25 * 0.75));
}

TEST(Schedule, TheEndOfALaneComesAfterItsRequests) {
  Schedule schedule(kTiming, 5);
  schedule.add(request(1, 0), 2, at(0));
  schedule.add(request(1, 30), 3, at(30));
  schedule.end(1, at(30));
  std::map<std::uint32_t, bool> ended;
  for (const Due& due : drain(schedule)) {
    EXPECT_FALSE(ended[due.copy]);
    if (!due.request) ended[due.copy] = true;
  }
  EXPECT_EQ(ended, (std::map<std::uint32_t, bool>{{0, true}, {1, true}, {2, true}}));
}

TEST(Schedule, EndingAnUnknownConnectionIsNothing) {
  Schedule schedule(kTiming, 5);
  schedule.end(1, at(0));
  EXPECT_FALSE(schedule.next().has_value());
}

TEST(Schedule, ClearingDropsCopiesAndKeepsTheEnds) {
  Schedule schedule(kTiming, 6);
  schedule.add(request(1, 0), 2, at(0));
  schedule.end(1, at(0));
  EXPECT_EQ(schedule.clear(), 2u);
  EXPECT_EQ(schedule.copies(), 0u);
  const auto left = drain(schedule);
  EXPECT_EQ(left.size(), 2u);
  for (const Due& due : left) EXPECT_FALSE(due.request.has_value());
}

TEST(Schedule, ShedsWhatWouldHoldTooManyBytes) {
  Schedule schedule({.lag = milliseconds(1), .copy_spread = Nanos(0), .max_bytes = 10}, 7);
  const auto added = schedule.add(request(1, 0, std::string(4, 'x')), 3, at(0));
  EXPECT_EQ(added.copies, 3u);
  EXPECT_EQ(added.shed, 1u);
  EXPECT_EQ(schedule.copies(), 2u);
  drain(schedule);
  EXPECT_EQ(schedule.add(request(1, 0, std::string(4, 'x')), 1, at(0)).shed, 0u);
}

}  // namespace
}  // namespace gnomon::replay
