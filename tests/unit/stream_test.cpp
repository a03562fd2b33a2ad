#include "agent/tap/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gnomon::tap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kConn = 7;

// Writes each event as a word.
class Transcript final : public StreamSink {
 public:
  void open(std::uint64_t, MonoTime, bool joined) override { events.push_back(joined ? "join" : "open"); }
  void bytes(std::uint64_t, MonoTime, std::span<const std::byte> data, bool after_send) override {
    const std::string text(reinterpret_cast<const char*>(data.data()), data.size());
    events.push_back(after_send ? "sent+" + text : text);
  }
  void hole(std::uint64_t, MonoTime) override { events.push_back("hole"); }
  void paused(std::uint64_t, MonoTime) override { events.push_back("paused"); }
  void close(std::uint64_t, MonoTime, StreamEnd end) override {
    events.push_back(end == StreamEnd::kClosed ? "closed" : "broken");
  }
  std::vector<std::string> events;
};

class StreamTest : public ::testing::Test {
 protected:
  void feed(std::uint32_t type, std::uint32_t seq, const std::string& text = "", std::uint32_t flags = 0,
            std::uint64_t conn_id = kConn, std::uint64_t ts_ns = 0) {
    tap_record header{};
    header.ts_ns = ts_ns;
    header.conn_id = conn_id;
    header.type = type;
    header.seq = seq;
    header.len = static_cast<std::uint32_t>(text.size());
    header.flags = flags;
    assembler.record(header, std::as_bytes(std::span(text)));
  }
  Transcript transcript;
  StreamAssembler assembler{transcript};
};

TEST_F(StreamTest, BytesComeOutInOrderAndTheEndIsClean) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 103, "de", TAP_AFTER_SEND);
  feed(TAP_CLOSE, 105);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "sent+de", "closed"));
  EXPECT_EQ(assembler.broken_streams(), 0u);
  EXPECT_EQ(assembler.open_streams(), 0u);
}

TEST_F(StreamTest, AGapIsAHoleAndTheStreamGoesOnBehindIt) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 104, "ef", TAP_HOLE);
  feed(TAP_DATA, 103, "d");  // too late: the sink has been told
  feed(TAP_DATA, 106, "g");
  feed(TAP_CLOSE, 107);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "hole", "ef", "g", "closed"));
  EXPECT_EQ(assembler.broken_streams(), 1u);
  EXPECT_EQ(assembler.open_streams(), 0u);
}

TEST_F(StreamTest, RepeatsAreDroppedAndOverlapsTrimmed) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 101, "b");
  feed(TAP_DATA, 102, "cde");
  feed(TAP_CLOSE, 105);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "de", "closed"));
}

TEST_F(StreamTest, ASendIsNotForgottenWithTheRepeatThatReportedIt) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 100, "abc", TAP_AFTER_SEND);
  feed(TAP_DATA, 103, "d");
  feed(TAP_DATA, 104, "e");
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "sent+d", "e"));
}

TEST_F(StreamTest, SequenceNumbersWrapAround) {
  feed(TAP_OPEN, 0xfffffffe);
  feed(TAP_DATA, 0xfffffffe, "abcd");
  feed(TAP_DATA, 0xffffffff, "bcd");
  feed(TAP_DATA, 2, "e");
  feed(TAP_CLOSE, 3);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abcd", "e", "closed"));
}

TEST_F(StreamTest, AGapAcrossTheWrapIsSeen) {
  feed(TAP_OPEN, 0xfffffffe);
  feed(TAP_DATA, 1, "d");
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "d"));
}

TEST_F(StreamTest, AStreamWithManyHolesIsCountedOnce) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 101, "b", TAP_HOLE);
  feed(TAP_DATA, 103, "d", TAP_HOLE);
  feed(TAP_CLOSE, 110);
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "b", "hole", "d", "broken"));
  EXPECT_EQ(assembler.broken_streams(), 1u);
}

TEST_F(StreamTest, ASendBeforeAHoleDoesNotCountForWhatFollowsIt) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 100, "abc", TAP_AFTER_SEND);
  feed(TAP_DATA, 105, "f", TAP_HOLE);
  feed(TAP_DATA, 107, "h", TAP_HOLE | TAP_AFTER_SEND);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "hole", "f", "hole", "sent+h"));
}

TEST_F(StreamTest, ARecordLostBeforeTheCloseIsSeenByItsNumber) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_CLOSE, 104);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "broken"));
  EXPECT_EQ(assembler.broken_streams(), 1u);
}

TEST_F(StreamTest, AKernelThatLostBytesIsBelieved) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_CLOSE, 103, "", TAP_BROKEN);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "broken"));
}

TEST_F(StreamTest, BytesThatWereOnlyPeekedAtDoNotBreakTheStream) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_CLOSE, 100);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "closed"));
}

TEST_F(StreamTest, AConnectionWhoseOpenWasLostIsIgnoredAndCounted) {
  feed(TAP_DATA, 100, "abc");
  feed(TAP_CLOSE, 103, "", TAP_BROKEN);
  EXPECT_THAT(transcript.events, IsEmpty());
  EXPECT_EQ(assembler.broken_streams(), 1u);
  EXPECT_EQ(assembler.open_streams(), 0u);
}

TEST_F(StreamTest, AnOpenOfAStreamThatNeverClosedBreaksTheFormer) {
  feed(TAP_OPEN, 100);
  feed(TAP_OPEN, 200);
  feed(TAP_DATA, 200, "x");
  EXPECT_THAT(transcript.events, ElementsAre("open", "broken", "open", "x"));
}

TEST_F(StreamTest, AJoinedStreamSaysSo) {
  feed(TAP_OPEN, 5, "", TAP_JOIN);
  EXPECT_THAT(transcript.events, ElementsAre("join"));
}

TEST_F(StreamTest, OneBrokenStreamLeavesTheOthersWhole) {
  feed(TAP_OPEN, 100);
  feed(TAP_OPEN, 500, "", 0, kConn + 1);
  feed(TAP_DATA, 101, "b");
  feed(TAP_DATA, 500, "x", 0, kConn + 1);
  feed(TAP_CLOSE, 501, "", 0, kConn + 1);
  EXPECT_THAT(transcript.events, ElementsAre("open", "open", "hole", "b", "x", "closed"));
}

TEST_F(StreamTest, PacketsAreSortedAndEachByteComesOutOnce) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 103, "de", TAP_PACKET);
  feed(TAP_DATA, 107, "hi", TAP_PACKET);
  feed(TAP_DATA, 103, "de", TAP_PACKET);
  feed(TAP_DATA, 100, "abcd", TAP_PACKET);
  feed(TAP_DATA, 105, "fg", TAP_PACKET);
  feed(TAP_CLOSE, 109);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abcd", "e", "fg", "hi", "closed"));
  EXPECT_EQ(assembler.missing_bytes(), 0u);
  EXPECT_EQ(assembler.broken_streams(), 0u);
}

TEST_F(StreamTest, PacketsAreSortedAcrossTheWrapOfSequenceNumbers) {
  feed(TAP_OPEN, 0xfffffffe);
  feed(TAP_DATA, 1, "de", TAP_PACKET);
  feed(TAP_DATA, 0xfffffffe, "abc", TAP_PACKET);
  feed(TAP_CLOSE, 3);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "de", "closed"));
}

TEST_F(StreamTest, WhatIsPassedOverIsNoLossAndTheStreamGoesOnBehindIt) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc");
  feed(TAP_DATA, 110, "de", TAP_PAUSED | TAP_AFTER_SEND);
  feed(TAP_CLOSE, 115, "", TAP_PAUSED);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "paused", "sent+de", "paused", "closed"));
  EXPECT_EQ(assembler.broken_streams(), 0u);
}

TEST_F(StreamTest, ALossInAPauseIsALoss) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 110, "de", TAP_PAUSED | TAP_HOLE);
  feed(TAP_CLOSE, 115, "", TAP_PAUSED | TAP_BROKEN);
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "de", "broken"));
  EXPECT_EQ(assembler.broken_streams(), 1u);
}

TEST_F(StreamTest, APacketBehindAPauseIsNotWaitedWith) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 100, "abc", TAP_PACKET);
  feed(TAP_DATA, 110, "de", TAP_PACKET | TAP_PAUSED | TAP_AFTER_SEND);
  EXPECT_THAT(transcript.events, ElementsAre("open", "abc", "paused", "sent+de"));
  EXPECT_EQ(assembler.missing_bytes(), 0u);
}

TEST_F(StreamTest, APacketIsNotWaitedForOnceTheServiceHasAnsweredWhatCameBefore) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 103, "de", TAP_PACKET);
  feed(TAP_DATA, 105, "fg", TAP_PACKET | TAP_AFTER_SEND);
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "de", "sent+fg"));
  EXPECT_EQ(assembler.missing_bytes(), 3u);
  EXPECT_EQ(assembler.broken_streams(), 1u);
}

TEST_F(StreamTest, APacketThatTheProbeLostIsNotWaitedForNorCountedAgain) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 103, "de", TAP_PACKET | TAP_HOLE);
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "de"));
  EXPECT_EQ(assembler.missing_bytes(), 0u);
}

TEST_F(StreamTest, PacketsWaitNoLongerThanIsSaid) {
  feed(TAP_OPEN, 100);
  const auto late = static_cast<std::uint64_t>(Nanos(StreamAssembler::kLongestWait).count());
  feed(TAP_DATA, 103, "de", TAP_PACKET, kConn, 1);
  feed(TAP_DATA, 107, "hi", TAP_PACKET, kConn, late);
  EXPECT_THAT(transcript.events, ElementsAre("open"));
  feed(TAP_DATA, 109, "j", TAP_PACKET, kConn, late + 2);
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "de", "hole", "hi", "j"));
  EXPECT_EQ(assembler.missing_bytes(), 5u);
}

TEST_F(StreamTest, PacketsWaitInBoundedMemory) {
  feed(TAP_OPEN, 100);
  const std::string piece(60'000, 'x');
  std::uint32_t seq = 101;
  for (std::size_t bytes = 0; bytes <= StreamAssembler::kMostWaiting; bytes += piece.size()) {
    EXPECT_THAT(transcript.events, ElementsAre("open"));
    feed(TAP_DATA, seq, piece, TAP_PACKET);
    seq += static_cast<std::uint32_t>(piece.size());
  }
  EXPECT_GT(transcript.events.size(), StreamAssembler::kMostWaiting / piece.size());
}

TEST_F(StreamTest, WhatStillWaitsWhenTheConnectionClosesComesOutBehindAHole) {
  feed(TAP_OPEN, 100);
  feed(TAP_DATA, 103, "de", TAP_PACKET);
  feed(TAP_CLOSE, 105);
  EXPECT_THAT(transcript.events, ElementsAre("open", "hole", "de", "closed"));
  EXPECT_EQ(assembler.broken_streams(), 1u);
}

}  // namespace
}  // namespace gnomon::tap
