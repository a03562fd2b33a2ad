#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "agent/protocol/http2/http2.h"
#include "agent/protocol/http2/unit.h"
#include "gtest/gtest.h"
#include "tests/unit/http2_client_side.h"

namespace gnomon::protocol {
namespace {

using State = RequestFramer::State;

struct Outcome {
  std::vector<Request> requests;
  State state = State::kFraming;
  std::size_t under_way = 0, held = 0;
  RequestFramer::Skipped skipped;
};

Outcome frame(std::string_view stream, std::size_t piece = std::string::npos, Limits limits = {}, bool joined = false) {
  Http2RequestFramer framer(7, joined, limits);
  Outcome outcome;
  for (std::size_t at = 0; at < stream.size(); at += std::min(piece, stream.size()))
    framer.feed(std::as_bytes(std::span(stream.substr(at, piece))), MonoTime{}, joined && at == 0, outcome.requests);
  outcome.state = framer.state();
  outcome.under_way = framer.under_way();
  outcome.held = framer.held_bytes();
  outcome.skipped = framer.skipped();
  return outcome;
}

std::string begin() {
  return std::string(kHttp2Preface) + http2_frame(4, 0, 0, std::string("\0\3\0\0\0\x64", 6));
}

std::string text(const Request& request) {
  const auto unit = Http2Unit::of(*request.bytes);
  std::string all;
  std::string_view headers = unit->headers, trailers = unit->trailers;
  while (const auto field = take_http2_field(headers))
    all.append(field->name).append("=").append(field->value).append(field->never_indexed ? "!;" : ";");
  all.append("|").append(unit->body).append("|");
  while (const auto field = take_http2_field(trailers)) all.append(field->name).append("=").append(field->value) += ';';
  return all;
}

// Interleaved streams with all that a client may say between and within them.
std::string conversation() {
  Http2Encoder encoder;
  std::string bytes = begin() + http2_frame(8, 0, 0, std::string("\0\1\0\0", 4));
  bytes += encoder.headers(1, get("/a/1?q=2"));
  bytes += encoder.headers(3, post("/up", {{"content-length", "5"}}), kWhole);
  bytes += http2_frame(4, kEnd, 0, "");
  bytes += encoder.headers(5, post("/shop.Cart/Add", {{"content-type", "application/grpc+proto"}, {"te", "trailers"}}),
                           kWhole);
  bytes += http2_frame(0, 0, 3, "he");
  bytes += http2_frame(0, kPadding, 5, std::string("\3message\0\0\0", 11));
  bytes += http2_frame(2, 0, 3, std::string("\0\0\0\0\20", 5)) + http2_frame(6, 0, 0, "12345678");
  const std::string block = encoder.block(get("/split"));
  bytes += http2_frame(1, kEnd | kPadding | kWeight, 7,
                       std::string("\2\0\0\0\0\20", 6) + block.substr(0, 3) + std::string(2, '\0'));
  bytes +=
      http2_frame(9, 0, 7, block.substr(3, 2)) + http2_frame(9, 0, 7, "") + http2_frame(9, kWhole, 7, block.substr(5));
  bytes += http2_frame(0, kEnd, 3, "llo");
  bytes += http2_frame(0xbe, 0xff, 77, "what is this");
  bytes += encoder.headers(5, {{"x-sum", "9"}}, kEnd | kWhole);
  bytes += encoder.headers(9, {{":method", "HEAD"}, {":scheme", "http"}, {":path", "/h"}, {"authorization", "secret"}});
  return bytes;
}

TEST(Http2Framer, TakesInterleavedStreamsApartWhereverTheyAreSplit) {
  const std::string bytes = conversation();
  const std::string base = ":method=GET;:scheme=http;:authority=a.example;:path=";
  const std::vector<std::string> expected = {
      base + "/a/1?q=2;x-user=u7;||", base + "/split;x-user=u7;||",
      ":method=POST;:scheme=http;:authority=a.example;:path=/up;content-length=5;|hello|",
      ":method=POST;:scheme=http;:authority=a.example;:path=/shop.Cart/"
      "Add;content-type=application/grpc+proto;te=trailers;|message|x-sum=9;",
      ":method=HEAD;:scheme=http;:path=/h;authorization=secret!;||"};
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Outcome outcome = frame(bytes, piece);
    std::vector<std::string> found;
    for (const auto& request : outcome.requests) found.push_back(text(request));
    ASSERT_EQ(found, expected) << "in pieces of " << piece;
    ASSERT_EQ(outcome.state, State::kFraming);
    ASSERT_EQ(outcome.under_way, 0u);
  }
}

TEST(Http2Framer, ClassesRequestsByMethodAndPathAndCallsByTheirName) {
  const auto requests = frame(conversation()).requests;
  ASSERT_EQ(requests.size(), 5u);
  EXPECT_EQ(requests[0].endpoint, "GET /a/{}");
  EXPECT_EQ(requests[2].endpoint, "POST /up");
  EXPECT_EQ(requests[3].endpoint, "/shop.Cart/Add");
  EXPECT_FALSE(requests[0].write);
  EXPECT_TRUE(requests[2].write && requests[3].write);
  EXPECT_TRUE(requests[4].head && !requests[4].write);
  EXPECT_EQ(requests[0].protocol, &http2());
  EXPECT_EQ(requests[0].conn_id, 7u);
}

TEST(Http2Framer, SkipsOneStreamAndGoesOnWithTheOthers) {
  struct Case {
    const char* name;
    std::uint64_t RequestFramer::Skipped::*counter;
    std::function<std::string(Http2Encoder&)> bytes;
  };
  using Skipped = RequestFramer::Skipped;
  const auto one = [](Http2FieldList fields, std::uint8_t flags = kEnd | kWhole) {
    return [=](Http2Encoder& encoder) { return encoder.headers(1, fields, flags); };
  };
  const auto posted = [](Http2FieldList more, const std::string& after) {
    return [=](Http2Encoder& encoder) { return encoder.headers(1, post("/", more), kWhole) + after; };
  };
  const Case cases[] = {
      {"header list", &Skipped::oversized,
       one({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"x", std::string(600, 'x')}})},
      {"body", &Skipped::oversized,
       posted({}, http2_frame(0, 0, 1, std::string(2100, 'b')) + http2_frame(0, kEnd, 1, "more"))},
      {"announced body", &Skipped::oversized, posted({{"content-length", "3000"}}, http2_frame(0, kEnd, 1, "x"))},
      {"reset", &Skipped::cancelled,
       posted({}, http2_frame(0, 0, 1, "x") + http2_frame(3, 0, 1, std::string("\0\0\0\10", 4)))},
      {"length", &Skipped::malformed, posted({{"content-length", "3"}}, http2_frame(0, kEnd, 1, "four"))},
      {"two lengths", &Skipped::malformed,
       posted({{"content-length", "1"}, {"content-length", "2"}}, http2_frame(0, kEnd, 1, "x"))},
      {"headers in the middle", &Skipped::malformed,
       [](Http2Encoder& encoder) {
         const std::string first = encoder.headers(1, post("/"), kWhole);  // the encoder has a state: in this order
         return first + encoder.headers(1, {{"x-y", "z"}}, kWhole);
       }},
      {"no path", &Skipped::malformed, one({{":method", "GET"}, {":scheme", "http"}})},
      {"two methods", &Skipped::malformed,
       one({{":method", "GET"}, {":method", "GET"}, {":scheme", "http"}, {":path", "/"}})},
      {"late pseudo-header", &Skipped::malformed,
       one({{":method", "GET"}, {":scheme", "http"}, {"a", "b"}, {":path", "/"}})},
      {"upper case", &Skipped::malformed, one({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"X-A", "b"}})},
      {"connection", &Skipped::malformed,
       one({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"connection", "x"}})},
      {"line break", &Skipped::malformed,
       one({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"a", "b\r\nc: d"}})},
      {"CONNECT", &Skipped::unreplayable, one({{":method", "CONNECT"}, {":authority", "a:443"}}, kWhole)},
      {"extended CONNECT", &Skipped::unreplayable,
       one({{":method", "CONNECT"},
            {":protocol", "websocket"},
            {":scheme", "http"},
            {":path", "/ws"},
            {":authority", "a"}},
           kWhole)},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::string::npos}) {
      Http2Encoder encoder;
      std::string bytes = begin() + c.bytes(encoder);
      bytes += encoder.headers(3, get("/next")) + http2_frame(0, kEnd, 1, "late");
      const Outcome outcome = frame(bytes, piece, {.header_bytes = 512, .message_bytes = 2048});
      EXPECT_EQ(outcome.state, State::kFraming) << c.name;
      EXPECT_EQ(outcome.skipped.*c.counter, 1u) << c.name;
      EXPECT_EQ(outcome.under_way, 0u) << c.name;
      ASSERT_EQ(outcome.requests.size(), 1u) << c.name;
      EXPECT_EQ(outcome.requests[0].endpoint, "GET /next") << c.name;
    }
  }
}

TEST(Http2Framer, GivesUpAConnectionThatIsNotHttp2) {
  Http2Encoder encoder;
  const std::string settings = http2_frame(4, 0, 0, "");
  const std::string cases[] = {
      "GET / HTTP/1.1\r\n\r\n",
      std::string(kHttp2Preface) + encoder.headers(1, get("/")),  // no SETTINGS first
      std::string(kHttp2Preface) + http2_frame(4, kEnd, 0, ""),   // only their acknowledgement
      begin() + http2_frame(1, kEnd | kWhole, 2, "\x82"),         // an even stream
      begin() + http2_frame(0, 0, 1, "data of an idle stream"),
      begin() + http2_frame(9, kWhole, 1, ""),                                    // no HEADERS before
      begin() + http2_frame(1, kEnd, 1, "\x82") + settings,                       // CONTINUATION expected
      begin() + http2_frame(1, kEnd, 1, "\x82") + http2_frame(9, kWhole, 3, ""),  // of another stream
      begin() + http2_frame(5, kWhole, 1, std::string("\0\0\0\2", 4)),            // a client that pushes
      begin() + http2_frame(1, kEnd | kWhole, 1, "\xff\xff\xff\x7f"),             // an index beyond the table
      begin() + http2_frame(1, kEnd | kWhole, 1,
                            std::string("\x40\x05"
                                        "ab",
                                        4)),  // a field cut short
      begin() + http2_frame(1, kEnd | kWhole | kPadding, 1,
                            "\x09"
                            "abc"),  // more padding than payload
      begin() + http2_frame(6, 0, 0, "short"),
      begin() + http2_frame(3, 0, 9, std::string(4, '\0')),  // resets an idle stream
  };
  for (const std::string& bytes : cases)
    for (const std::size_t piece : {std::size_t{1}, std::string::npos}) {
      const Outcome outcome = frame(bytes, piece);
      EXPECT_EQ(outcome.state, State::kUnparsable) << testing::PrintToString(bytes);
      EXPECT_TRUE(outcome.requests.empty());
      EXPECT_EQ(outcome.held, 0u);
    }
}

TEST(Http2Framer, GivesUpAConnectionWithAHeaderBlockOfNoEnd) {
  std::string bytes = begin() + http2_frame(1, kEnd, 1, "");
  for (int i = 0; i < 10; ++i) bytes += http2_frame(9, 0, 1, std::string(300, '\x82'));
  EXPECT_EQ(frame(bytes, 7, {.header_bytes = 512, .message_bytes = 2048}).state, State::kOversized);
}

TEST(Http2Framer, FollowsTheEncodersTableSize) {
  Http2Encoder encoder;
  std::string bytes = begin() + encoder.headers(1, get("/a"));
  nghttp2_hd_deflate_change_table_size(encoder.deflater(), 0);
  bytes += encoder.headers(3, get("/b"));
  nghttp2_hd_deflate_change_table_size(encoder.deflater(), 4096);
  bytes += encoder.headers(5, get("/c"));
  bytes += encoder.headers(7, get("/c"));
  const Outcome outcome = frame(bytes, 1);
  ASSERT_EQ(outcome.requests.size(), 4u);
  EXPECT_EQ(*outcome.requests[2].bytes, *outcome.requests[3].bytes);
}

TEST(Http2Framer, BoundsWhatUnfinishedStreamsHold) {
  Http2Encoder encoder;
  std::string bytes = begin();
  for (std::uint32_t id = 1; id < 20; id += 2)
    bytes += encoder.headers(id, post("/up"), kWhole) + http2_frame(0, 0, id, std::string(1500, 'x'));
  const Outcome outcome = frame(bytes, 11, {.header_bytes = 512, .message_bytes = 2048});
  EXPECT_EQ(outcome.under_way, 2u);
  EXPECT_EQ(outcome.skipped.truncated, 8u);
  EXPECT_LE(outcome.held, 2u * 2048 + 4096 + 4096);
  bytes.clear();
  for (std::uint32_t id = 21; id < 21 + 2 * 300; id += 2) bytes += encoder.headers(id, post("/bidi"), kWhole);
  EXPECT_EQ(frame(begin() + bytes).under_way, 0u);  // another connection's table: nothing is made of it
  Http2Encoder other;
  bytes = begin();
  for (std::uint32_t id = 1; id < 2 * 300; id += 2) bytes += other.headers(id, post("/bidi"), kWhole);
  EXPECT_EQ(frame(bytes).under_way, 256u);
  EXPECT_EQ(frame(bytes).skipped.truncated, 44u);
}

TEST(Http2Framer, JoinsNothingButAConnectionsStart) {
  const std::string bytes = conversation();
  EXPECT_EQ(frame(bytes, 1, {}, true).requests.size(), 5u);
  const std::string middle = bytes.substr(begin().size());
  EXPECT_EQ(frame(middle, 1, {}, true).state, State::kUnjoinable);
  EXPECT_TRUE(frame(middle, 1, {}, true).requests.empty());
  Http2RequestFramer framer(1, true);
  std::vector<Request> out;
  framer.feed(std::as_bytes(std::span(middle)), MonoTime{}, false, out);
  EXPECT_EQ(framer.state(), State::kJoining);
}

TEST(Http2Protocol, IsToldByItsPreface) {
  EXPECT_EQ(http2().match(conversation()), Protocol::Match::kYes);
  EXPECT_EQ(http2().match("PRI * HT"), Protocol::Match::kMaybe);
  EXPECT_EQ(http2().match("PRI * HTTP/1.1\r\n\r\nxxxxxxxx"), Protocol::Match::kNo);
  EXPECT_EQ(http2().match("GET / HTTP/1.1\r\n"), Protocol::Match::kNo);
  const std::string bytes = conversation();
  const auto framer = detecting_framer(1, false, {});
  std::vector<Request> out;
  for (const char& c : bytes) framer->feed(std::as_bytes(std::span(&c, 1)), MonoTime{}, false, out);
  EXPECT_EQ(out.size(), 5u);
}

TEST(Http2Protocol, TakesTheKeyOfAHeader) {
  const auto requests = frame(conversation()).requests;
  ASSERT_EQ(requests.size(), 5u);
  EXPECT_TRUE(http2().key(requests[0], "header:X-User").has_value());
  EXPECT_EQ(http2().key(requests[0], "header:X-User"), http2().key(requests[1], "header:x-user"));
  EXPECT_EQ(http2().key(requests[0], "header:Host"), http2().key(requests[2], "header::authority"));
  EXPECT_FALSE(http2().key(requests[2], "header:x-user").has_value());
  EXPECT_FALSE(http2().key(requests[0], "user").has_value());
}

}  // namespace
}  // namespace gnomon::protocol
