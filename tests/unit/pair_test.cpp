#include "agent/compare/pair.h"

#include <gtest/gtest.h>

namespace gnomon::compare {
namespace {

TEST(Pair, WhatIsKnownToBeMissingIsNotCountedAsWithoutRoom) {
  const auto tally = std::make_shared<Tally>(/*most_held_bytes=*/10);
  {
    Pair pair(tally, {.body = true, .bytes = 4096}, "GET /");
    pair.sent();
    pair.missing(Outcome::kLost);
    protocol::Answer answer{.status = 200, .size = 80, .body = protocol::Body(80)};
    answer.body.add(std::string(80, 'x'));
    pair.answered(answer);
  }
  ASSERT_EQ(tally->counts().size(), 1u);
  EXPECT_EQ(tally->counts()[0].of(Outcome::kLost), 1u);
  EXPECT_EQ(tally->held_bytes(), 0u);
}

}  // namespace
}  // namespace gnomon::compare
