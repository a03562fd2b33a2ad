#include <string>
#include <vector>

#include "agent/protocol/raw/client.h"
#include "agent/protocol/raw/framer.h"
#include "agent/protocol/raw/raw.h"
#include "agent/protocol/raw/unit.h"
#include "gtest/gtest.h"

namespace gnomon::protocol {
namespace {

using std::chrono::milliseconds;
using State = RequestFramer::State;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}
MonoTime at(int ms) {
  return MonoTime(milliseconds(1000 + ms));
}

struct Said {
  int ms;
  bool after_send;
  std::string text;
};

std::vector<Request> frame(const std::vector<Said>& connection, int end_ms) {
  RawFramer framer(7, false, {});
  std::vector<Request> out;
  for (const Said& said : connection) framer.feed(bytes_of(said.text), at(said.ms), said.after_send, out);
  EXPECT_TRUE(out.empty()) << "it may go on";
  EXPECT_TRUE(framer.mid_message());
  framer.end(at(end_ms), out);
  EXPECT_FALSE(framer.mid_message());
  return out;
}

TEST(RawFramer, MakesOneUnitOfAConnectionWithItsPiecesAndTimes) {
  const auto units = frame({{0, true, "HE"}, {0, false, "LO\r\n"}, {40, true, "a"}, {90, false, "b"}}, 100);
  ASSERT_EQ(units.size(), 1u);
  EXPECT_TRUE(units[0].write);
  EXPECT_TRUE(units[0].replayable);
  EXPECT_EQ(units[0].lasts, milliseconds(100));
  EXPECT_EQ(units[0].arrival, at(100));
  const std::vector<Said> expected = {{0, true, "HELO\r\n"}, {40, true, "a"}, {90, false, "b"}, {100, false, ""}};
  std::string_view rest = *units[0].bytes;
  for (const Said& said : expected) {
    const auto piece = take_raw_piece(rest);
    ASSERT_TRUE(piece);
    EXPECT_EQ(piece->offset, milliseconds(said.ms));
    EXPECT_EQ(piece->after_send, said.after_send);
    EXPECT_EQ(piece->bytes, said.text);
  }
  EXPECT_FALSE(take_raw_piece(rest));
}

TEST(RawFramer, GivesUpWhatIsNotWhole) {
  EXPECT_EQ(RawFramer(1, true, {}).state(), State::kUnjoinable);
  std::vector<Request> out;
  RawFramer large(1, false, {.message_bytes = 10});
  large.feed(bytes_of("12345678901"), at(0), false, out);
  EXPECT_EQ(large.state(), State::kOversized);
  RawFramer lasting(1, false, {});
  lasting.feed(bytes_of("a"), at(0), false, out);
  lasting.end(at(61000), out);
  EXPECT_EQ(lasting.state(), State::kOversized);
  RawFramer silent(1, false, {});
  silent.end(at(5), out);
  EXPECT_TRUE(out.empty());
}

// Drives a client along a time line: what it says when.
struct Stage {
  explicit Stage(const Request& request) {
    client.send(request, 9, out);
    EXPECT_FALSE(client.reusable());
  }
  std::string until(int ms) {
    out.clear();
    wake = client.advance(at(ms), answers, out);
    return out;
  }
  void hear(const std::string& text) { EXPECT_TRUE(client.receive(bytes_of(text), answers, out)); }
  RawClient client;
  std::string out;
  std::vector<Answer> answers;
  std::optional<MonoTime> wake;
};

TEST(RawClient, SaysEachPieceAtItsTimeAndAfterWhatItFollowed) {
  Stage stage(frame({{0, false, "a"}, {40, true, "b"}, {50, false, "c"}}, 100)[0]);
  EXPECT_EQ(stage.until(0), "a");
  EXPECT_EQ(stage.wake, at(40));
  stage.hear("answer");
  EXPECT_EQ(stage.until(10), "") << "the recorded pause has not passed";
  EXPECT_EQ(stage.until(40), "b");
  EXPECT_EQ(stage.until(50), "c");
  stage.hear("!");
  EXPECT_EQ(stage.wake, at(100));
  EXPECT_EQ(stage.until(100), "");
  ASSERT_EQ(stage.answers.size(), 1u);
  EXPECT_EQ(stage.answers[0].tag, 9u);
  EXPECT_EQ(stage.answers[0].size, 7u);
  EXPECT_FALSE(stage.wake);
}

TEST(RawClient, WaitsASecondForASlowerShadowAndShiftsTheRest) {
  Stage slow(frame({{0, false, "a"}, {40, true, "b"}, {50, false, "c"}}, 100)[0]);
  slow.until(0);
  EXPECT_EQ(slow.until(40), "");
  EXPECT_EQ(slow.wake, at(1040));
  slow.hear("x");
  EXPECT_EQ(slow.until(240), "b");
  EXPECT_EQ(slow.wake, at(250));
  Stage silent(frame({{0, false, "a"}, {40, true, "b"}}, 100)[0]);
  silent.until(0);
  EXPECT_EQ(silent.until(1040), "b");
}

TEST(RawClient, HasNoAnswerWhereTheServiceClosesBeforeAllIsSaid) {
  Stage early(frame({{0, false, "a"}, {40, true, "b"}}, 100)[0]);
  early.until(0);
  early.client.finish(early.answers);
  EXPECT_TRUE(early.answers.empty());
  Stage late(frame({{0, false, "a"}}, 100)[0]);
  late.until(0);
  late.client.finish(late.answers);
  EXPECT_EQ(late.answers.size(), 1u) << "closing after the last piece may be how the service ends its answer";
}

TEST(Raw, IsNeverFoundOut) {
  for (const char* const first : {"", "GET / HTTP/1.1\r\n", "\x16\x03\x01"})
    EXPECT_EQ(raw().match(first), Protocol::Match::kNo);
  EXPECT_EQ(find_protocol("raw"), &raw());
}

}  // namespace
}  // namespace gnomon::protocol
