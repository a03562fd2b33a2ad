// Bodies are told apart by what is kept of them, however they came and however much of each is at hand.

#include "agent/protocol/body.h"

#include <gtest/gtest.h>

namespace gnomon::protocol {
namespace {

constexpr std::size_t kLong = Body::kPrefix + 5 * Body::kBlock + 100, kAll = 1u << 20;

std::string text(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i * i % 23);
  return text;
}

Body body_of(std::string_view bytes, std::size_t most = kAll, std::size_t piece = kAll) {
  Body body(most);
  for (std::size_t at = 0; at < bytes.size(); at += piece) body.add(bytes.substr(at, piece));
  return body;
}

TEST(Body, OneByteTellsItFromAnotherWhereverItIs) {
  const std::string one = text(kLong);
  const Body whole = body_of(one);
  for (std::size_t at = 0; at < one.size(); ++at) {
    std::string other = one;
    ++other[at];
    EXPECT_TRUE(whole.differs(body_of(other))) << at;
  }
}

TEST(Body, IsTheSameHoweverItIsSplit) {
  const std::string bytes = text(kLong);
  for (std::size_t piece = 1; piece <= 2 * Body::kBlock; ++piece) {
    const Body split = body_of(bytes, kAll, piece);
    EXPECT_FALSE(split.differs(body_of(bytes))) << piece;
    EXPECT_EQ(split.size(), bytes.size());
  }
}

TEST(Body, IsComparedAsFarAsBothAreAtHand) {
  const std::string bytes = text(kLong);
  for (std::size_t size = 0; size <= bytes.size(); ++size)
    EXPECT_FALSE(body_of(bytes).differs(body_of(bytes, size))) << size;
  std::string other = bytes;
  other[Body::kPrefix + Body::kBlock] ^= 1;  // the second block's first byte
  EXPECT_TRUE(body_of(bytes).differs(body_of(other, Body::kPrefix + 2 * Body::kBlock)));
  EXPECT_FALSE(body_of(bytes).differs(body_of(other, Body::kPrefix + Body::kBlock)));
}

TEST(Body, WhatFollowsAGapDoesNotCount) {
  Body body(kAll);
  body.add("hel");
  body.gap();
  body.add("p");
  EXPECT_EQ(body.size(), 3u);
  EXPECT_FALSE(body.differs(body_of("hello")));
  EXPECT_TRUE(body.differs(body_of("heap")));
}

TEST(Body, TakesLittleMemory) {
  EXPECT_EQ(body_of("hello").held_bytes(), 5u);
  EXPECT_LE(body_of(text(64u << 10)).held_bytes(), Body::kPrefix + 2048);
  EXPECT_EQ(body_of(text(100), 0).held_bytes(), 0u);
}

}  // namespace
}  // namespace gnomon::protocol
