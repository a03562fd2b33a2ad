#include "agent/session/capture.h"

#include <cstring>
#include <string>

#include "document/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/http2_client_side.h"

namespace gnomon::session {
namespace {

// Fourteen bytes of a TLS client's first message: none of the protocols.
const std::string kTls("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x5a\x5a\x5a", 14);

// Feeds a Capture as the ring would, and keeps what comes out.
class CaptureTest : public testing::Test {
 protected:
  void open(std::uint64_t conn_id, std::uint32_t seq, std::uint32_t flags = 0) {
    record(TAP_OPEN, conn_id, seq, "", flags);
  }
  void data(std::uint64_t conn_id, std::uint32_t seq, const std::string& bytes, std::uint32_t flags = 0) {
    record(TAP_DATA, conn_id, seq, bytes, flags);
  }
  void close(std::uint64_t conn_id, std::uint32_t seq) { record(TAP_CLOSE, conn_id, seq, "", 0); }

  std::vector<std::string> requests;
  std::vector<std::uint64_t> ended;
  Capture capture{{.replay_writes = {"*"}},
                  [this](std::vector<protocol::Request> batch) {
                    for (const protocol::Request& request : batch) requests.push_back(*request.bytes);
                  },
                  [this](std::uint64_t conn_id) { ended.push_back(conn_id); }};

 private:
  void record(tap_record_type type, std::uint64_t conn_id, std::uint32_t seq, const std::string& bytes,
              std::uint32_t flags) {
    const tap_record header{.ts_ns = 1000,
                            .conn_id = conn_id,
                            .type = static_cast<__u32>(type),
                            .flags = flags,
                            .slot = 0,
                            .seq = seq,
                            .len = static_cast<__u32>(bytes.size())};
    capture.record(header, std::as_bytes(std::span(bytes)));
  }
};

constexpr std::uint8_t kWholeBlock = protocol::kWhole;  // of a request whose body is still to come
const std::string kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kPost = "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

TEST_F(CaptureTest, HandsOnWholeRequestsByteForByte) {
  open(1, 100);
  data(1, 100, kGet);
  data(1, 100 + static_cast<std::uint32_t>(kGet.size()), kPost, TAP_AFTER_SEND);
  EXPECT_EQ(requests, (std::vector<std::string>{kGet, kPost}));
  EXPECT_EQ(capture.counters().requests, 2u);
}

TEST_F(CaptureTest, ResumesAfterAHoleWithTheNextRequestAndCountsTheLostOne) {
  const auto post = static_cast<std::uint32_t>(kPost.size()), get = static_cast<std::uint32_t>(kGet.size());
  open(1, 0);
  data(1, 0, kPost.substr(0, 20));
  data(1, 30, kPost.substr(30), TAP_HOLE);
  data(1, post, kGet, TAP_AFTER_SEND);
  data(1, post + get, kGet);
  EXPECT_EQ(requests, (std::vector<std::string>{kGet, kGet}));
  EXPECT_TRUE(ended.empty());
  EXPECT_EQ(capture.counters().broken_streams, 1u);
  EXPECT_EQ(capture.counters().truncated_requests, 1u);
}

TEST_F(CaptureTest, GoesOnBehindAPauseWithTheNextRequestAndLosesNone) {
  const auto get = static_cast<std::uint32_t>(kGet.size());
  open(1, 0);
  data(1, 0, kGet);
  data(1, 1000, kPost.substr(0, 20), TAP_PAUSED | TAP_AFTER_SEND);
  data(1, 1020, kPost.substr(20));
  data(1, 1000 + static_cast<std::uint32_t>(kPost.size()), kGet, TAP_AFTER_SEND);
  close(1, 1000 + static_cast<std::uint32_t>(kPost.size()) + get);
  EXPECT_EQ(requests, (std::vector<std::string>{kGet, kPost, kGet}));
  EXPECT_EQ(ended, std::vector<std::uint64_t>{1});
  EXPECT_EQ(capture.counters(), (telemetry::TapCounters{.requests = 3}));
}

TEST_F(CaptureTest, CountsARequestThatAPauseCutsOff) {
  open(1, 0);
  data(1, 0, kPost.substr(0, 20));
  data(1, 1000, kGet, TAP_PAUSED | TAP_AFTER_SEND);
  EXPECT_EQ(requests, std::vector<std::string>{kGet});
  EXPECT_EQ(capture.counters().truncated_requests, 1u);
  EXPECT_EQ(capture.counters().broken_streams, 0u);
}

TEST_F(CaptureTest, RequestsMayBeLeftOutUntilAConnectionDependsOnEarlierOnes) {
  open(1, 0);
  EXPECT_TRUE(capture.may_leave_out());
  data(1, 0, kGet);
  open(2, 0);
  data(2, 0, "get a\r\n");
  EXPECT_TRUE(capture.may_leave_out());
  open(3, 0);
  data(3, 0, "*1\r\n$4\r\nPING\r\n");
  EXPECT_FALSE(capture.may_leave_out());
}

TEST_F(CaptureTest, AStreamThatWasGivenUpStaysSoBehindAHole) {
  open(1, 0);
  data(1, 0, kTls);
  data(1, 20, kGet, TAP_HOLE | TAP_AFTER_SEND);
  EXPECT_TRUE(requests.empty());
  EXPECT_EQ(capture.counters().unparsable_streams, 1u);
}

TEST_F(CaptureTest, DoesNotHandOnARequestCutOffByTheClient) {
  open(1, 0);
  data(1, 0, kPost.substr(0, kPost.size() - 1));
  close(1, static_cast<std::uint32_t>(kPost.size() - 1));
  EXPECT_TRUE(requests.empty());
  EXPECT_EQ(capture.counters().truncated_requests, 1u);
}

TEST_F(CaptureTest, CountsAStreamOfNoKnownProtocolOnceAndIgnoresTheRest) {
  open(1, 0);
  data(1, 0, kTls);
  data(1, 14, kTls);
  EXPECT_TRUE(requests.empty());
  EXPECT_EQ(capture.counters().unparsable_streams, 1u);
  EXPECT_EQ(ended, std::vector<std::uint64_t>{1});
}

TEST_F(CaptureTest, JoinsAnOpenConnectionAtTheNextRequest) {
  open(7, 5000, TAP_JOIN);
  data(7, 5000, "rest of a body");
  data(7, 5014, kGet, TAP_AFTER_SEND);
  EXPECT_EQ(requests, std::vector<std::string>{kGet});
}

TEST_F(CaptureTest, KeepsConnectionsApart) {
  open(1, 0);
  open(2, 0);
  data(1, 0, kPost.substr(0, 10));
  data(2, 0, kGet);
  data(1, 10, kPost.substr(10));
  EXPECT_EQ(requests, (std::vector<std::string>{kGet, kPost}));
}

// Says `bytes` on connection `conn_id` from its start.
void say(Capture& capture, std::uint64_t conn_id, const std::string& bytes) {
  tap_record header{.conn_id = conn_id, .type = TAP_OPEN};
  capture.record(header, {});
  header.type = TAP_DATA;
  header.len = static_cast<std::uint32_t>(bytes.size());
  capture.record(header, std::as_bytes(std::span(bytes)));
}

void hang_up(Capture& capture, std::uint64_t conn_id, std::size_t at) {
  capture.record({.conn_id = conn_id, .type = TAP_CLOSE, .seq = static_cast<std::uint32_t>(at)}, {});
}

Capture capture_all(sampling::Settings sampling = {}) {
  return Capture(
      {.replay_writes = {"*"}, .sampling = sampling}, [](const auto&) {}, [](std::uint64_t) {});
}

const std::string kHttp2Start = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + protocol::http2_frame(4, 0, 0, "");

TEST(CaptureCounts, EachOfTheInterleavedRequestsThatAConnectionEndsWith) {
  protocol::Http2Encoder encoder;
  std::string bytes = kHttp2Start;
  for (const std::uint32_t stream : {1, 3, 5}) bytes += encoder.headers(stream, protocol::post("/p"), kWholeBlock);
  Capture closed = capture_all(), broken = capture_all(), reopened = capture_all(), refused = capture_all();
  say(closed, 1, bytes);
  hang_up(closed, 1, bytes.size());
  EXPECT_EQ(closed.counters().truncated_requests, 3u);

  say(broken, 1, bytes);
  broken.record({.conn_id = 1, .type = TAP_DATA, .flags = TAP_HOLE, .seq = 9000, .len = 1},
                std::as_bytes(std::span("x", 1)));
  EXPECT_EQ(broken.counters().truncated_requests, 3u);

  say(reopened, 1, bytes);
  say(reopened, 1, bytes);  // its end was never told
  EXPECT_EQ(reopened.counters().truncated_requests, 3u);

  say(refused, 1, bytes + protocol::http2_frame(0, 0, 9, "data of an idle stream"));
  EXPECT_EQ(refused.counters().unparsable_streams, 1u);
  EXPECT_EQ(refused.counters().truncated_requests, 3u);
}

TEST(CaptureCounts, RequestsOfWhichNothingComesAlthoughTheConnectionGoesOn) {
  protocol::Http2Encoder encoder;
  std::string bytes = kHttp2Start;
  bytes += encoder.headers(1, protocol::post("/taken/back"), kWholeBlock);
  bytes += protocol::http2_frame(3, 0, 1, std::string("\0\0\0\x8", 4));
  bytes += encoder.headers(3, {{":method", "GET"}, {":path", "/without/scheme"}});
  bytes += encoder.headers(5, {{":method", "CONNECT"}, {":authority", "a:1"}});
  bytes += encoder.headers(7, protocol::get("/"));
  Capture capture = capture_all();
  say(capture, 1, bytes);
  const telemetry::TapCounters counters = capture.counters();
  EXPECT_EQ(counters.requests, 1u);
  EXPECT_EQ(counters.cancelled_requests, 1u);
  EXPECT_EQ(counters.malformed_requests, 1u);
  EXPECT_EQ(counters.not_replayable, 1u);
}

TEST(CaptureCounts, WhatItsProtocolSaysIsNotReplayableApartFromWrites) {
  Capture capture(
      {}, [](const auto&) {}, [](std::uint64_t) {});
  say(capture, 1, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n");
  say(capture, 2, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
  EXPECT_EQ(capture.counters().not_replayable, 1u);
  EXPECT_EQ(capture.counters().withheld_writes, 1u);
}

TEST(CaptureSampling, HandsOnTheShareThatIsAskedForAndCountsTheRest) {
  std::size_t handed_on = 0;
  Capture capture(
      {.sampling = {.fraction = {0.25}, .selector = "request"}},
      [&](const auto& requests) { handed_on += requests.size(); }, [](std::uint64_t) {});
  std::string gets;
  for (int i = 0; i < 400; ++i) gets += kGet;
  say(capture, 1, gets);
  EXPECT_EQ(handed_on, 100u);
  EXPECT_EQ(capture.counters().requests, 400u);
  EXPECT_EQ(capture.counters().unsampled_requests, 300u);

  capture.set_fraction({0.5});  // nothing else changes: the connection stays
  capture.record({.conn_id = 1,
                  .type = TAP_DATA,
                  .seq = static_cast<std::uint32_t>(gets.size()),
                  .len = static_cast<std::uint32_t>(gets.size())},
                 std::as_bytes(std::span(gets)));
  EXPECT_EQ(handed_on, 300u);
  EXPECT_EQ(capture.mixes().all.size[mix_class(kGet.size(), MIX_SIZES)], 800u);
  EXPECT_EQ(capture.mixes().chosen.size[mix_class(kGet.size(), MIX_SIZES)], 300u);
}

TEST(CaptureSampling, TakesEverySelectorThatADescriptorMayName) {
  for (const std::string_view selector : document::kSampleBy) EXPECT_TRUE(sampling::parse_selector(selector).ok());
  EXPECT_TRUE(sampling::parse_selector(std::string(document::kSampleByHeader) + "x-user").ok());
}

TEST(CapturePolicy, WithholdsWhatMayWriteUnlessItsClassOfEndpointIsListed) {
  const std::string posts =
      "POST /orders/1 HTTP/1.1\r\nContent-Length: 0\r\n\r\nPOST /users HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
  std::vector<std::string> endpoints;
  Capture capture(
      {.replay_writes = {"POST /orders/{}"}},
      [&](std::vector<protocol::Request> batch) {
        for (const protocol::Request& request : batch) endpoints.push_back(request.endpoint);
      },
      [](std::uint64_t) {});
  tap_record header{.conn_id = 1, .type = TAP_OPEN};
  capture.record(header, {});
  header.type = TAP_DATA;
  header.len = static_cast<std::uint32_t>(posts.size());
  capture.record(header, std::as_bytes(std::span(posts)));
  EXPECT_EQ(endpoints, std::vector<std::string>{"POST /orders/{}"});
  EXPECT_EQ(capture.counters().requests, 2u);
  EXPECT_EQ(capture.counters().withheld_writes, 1u);
}

TEST(CapturePolicy, FramesNoOtherProtocolThanTheOneThatIsNamed) {
  Capture capture(
      {.protocol = protocol::find_protocol("http1")}, [](const auto&) {}, [](std::uint64_t) {});
  const std::string get = "GET / HTTP/1.1\r\n\r\n", ping = "PING\r\n";
  for (const std::string& said : {get, ping}) {
    tap_record header{.conn_id = said.size(), .type = TAP_OPEN};
    capture.record(header, {});
    header.type = TAP_DATA;
    header.len = static_cast<std::uint32_t>(said.size());
    capture.record(header, std::as_bytes(std::span(said)));
  }
  EXPECT_EQ(capture.counters().requests, 1u);
  EXPECT_EQ(capture.counters().unparsable_streams, 1u);
}

TEST(Protocols, AreThoseThatADescriptorMayName) {
  std::vector<std::string_view> names;
  for (const protocol::Protocol* known : protocol::protocols()) names.push_back(known->name());
  EXPECT_THAT(document::kProtocols, testing::UnorderedElementsAreArray(names));
}

}  // namespace
}  // namespace gnomon::session
