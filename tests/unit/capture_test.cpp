#include "agent/session/capture.h"

#include <cstring>
#include <string>

#include "gtest/gtest.h"

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

}  // namespace
}  // namespace gnomon::session
