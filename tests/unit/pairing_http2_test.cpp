// Of HTTP/2, what lies beyond the bound, or was lost, and what comes after it.

#include "tests/unit/pairing_bound.h"

namespace gnomon::compare {
namespace {

using protocol::http2_frame;
using namespace std::string_literals;

class PairingHttp2 : public PairingBound {
 protected:
  void SetUp() override {
    start(protocol::http2());
    ask(std::string(protocol::kHttp2Preface) + settings);
  }
  void compare_get(std::uint32_t stream, const std::string& answered, const std::string& shadows) {
    auto requests = ask(client.headers(stream, protocol::get("/")));
    ASSERT_EQ(requests.size(), 1u);
    answer(std::exchange(before, {}) + answered);
    tell_shadow(requests[0], shadows);
  }
  void tell_shadow(const Request& request, const std::string& body) {
    protocol::Http2Encoder other;
    shadow(request, settings + other.headers(1, {{":status", "200"}}, protocol::kWhole) +
                        http2_frame(0, protocol::kEnd, 1, body));
  }
  // A body of 2000 bytes, of which the second half is beyond the bound with its frame's beginning.
  static std::string halves(std::uint32_t stream) {
    const std::string half(1000, 'x');
    return http2_frame(0, 0, stream, half) + http2_frame(0, protocol::kEnd, stream, half);
  }
  std::string headers(std::uint32_t stream, const protocol::Http2FieldList& more = {}) {
    protocol::Http2FieldList fields = {{":status", "200"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return service.headers(stream, fields, protocol::kWhole);
  }
  const std::string settings = http2_frame(4, 0, 0, "");
  std::string before = settings;
  protocol::Http2Encoder client, service;
};

TEST_F(PairingHttp2, OfADataFrameTheSizeIsKnown) {
  const std::string body(1000, 'x');
  compare_get(1, headers(1) + http2_frame(0, protocol::kEnd, 1, body), body);
  compare_get(3, headers(3) + http2_frame(0, protocol::kEnd, 3, body), body + "x");
  compare_get(5, headers(5) + http2_frame(0, protocol::kEnd, 5, body), "y" + body.substr(1));
  record(TAP_RESPONSE_END, "", 0);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
}

TEST_F(PairingHttp2, BeyondTheEndOfAFrameNothingIsToldButBySizeAndTheNextAnswersAreRead) {
  const std::string body(2000, 'x');
  compare_get(1, headers(1, {{"content-length", "2000"}}) + halves(1), body);
  compare_get(3, headers(3) + halves(3), body);
  compare_get(5, headers(5) + http2_frame(0, protocol::kEnd, 5, "hello"), "hello");
  compare_get(7, headers(7) + http2_frame(0, protocol::kEnd, 7, "hello"), "hallo");
  EXPECT_EQ(counted(Outcome::kSame), 2u);
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
}

TEST_F(PairingHttp2, WhoeverIsAnsweredWithinWhatIsNotCapturedIsTruncatedAndNobodyElse) {
  std::string asked = client.headers(1, protocol::get("/"));
  auto first = ask(asked += client.headers(3, protocol::get("/")));
  std::string answered = before + headers(1) + halves(1);
  answer(answered += headers(3) + http2_frame(0, 0, 3, "hello"));
  auto second = ask(client.headers(5, protocol::get("/")));
  answer(http2_frame(0, protocol::kEnd, 3, " there") + headers(5) + http2_frame(0, protocol::kEnd, 5, "hello"));
  tell_shadow(first[0], std::string(2000, 'x'));
  tell_shadow(first[1], "hello there");
  tell_shadow(second[0], "hello");
  EXPECT_EQ(counted(Outcome::kTruncated), 2u);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingHttp2, AfterALossThoseWhoAskLaterAreAnswered) {
  auto lost = ask(client.headers(1, protocol::get("/")));
  answer(before + headers(1, {{"x-id", "1"}}) + http2_frame(0, protocol::kEnd, 1, "hello"), /*lost=*/true);
  auto in_doubt = ask(client.headers(3, protocol::get("/")));
  answer(headers(3, {{"x-id", "1"}}) + http2_frame(0, protocol::kEnd, 3, "hello"));
  auto sure = ask(client.headers(5, protocol::get("/")));
  answer(headers(5, {{"x-id", "1"}}) + http2_frame(0, protocol::kEnd, 5, "hello"));
  for (auto* of : {&lost, &in_doubt, &sure}) tell_shadow(of->front(), "hello");
  for (auto* of : {&lost, &in_doubt, &sure}) of->clear();
  EXPECT_EQ(counted(Outcome::kLost), 2u);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

// Fields that were seen before what is missing, within it, and after.
TEST_F(PairingHttp2, WhatAHeaderTakesFromAMissedOneIsNotGuessed) {
  const auto of = [&](std::uint32_t stream, const char* status, const char* id) {
    return service.headers(stream, {{":status", status}, {"x-id", id}}, protocol::kWhole);
  };
  const auto exchange = [&](std::uint32_t stream, const std::string& answered, std::uint32_t status) {
    protocol::Http2Encoder other;
    compare(client.headers(stream, protocol::get("/")), std::exchange(before, {}) + answered,
            settings + other.headers(1, {{":status", std::to_string(status)}}, protocol::kWhole) +
                http2_frame(0, protocol::kEnd, 1, "x"));
  };
  const auto brief = [](std::uint32_t stream) { return http2_frame(0, protocol::kEnd, stream, "x"); };
  exchange(1, of(1, "201", "1") + brief(1), 201);
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  std::string beyond = of(3, "200", "1") + http2_frame(0, 0, 3, std::string(1000, 'x')) + http2_frame(0, 0, 3, "x");
  exchange(3, beyond += service.headers(3, {{"x-trailer", "418"}}), 200);
  exchange(5, of(5, "201", "1") + brief(5), 202);  // of before
  exchange(7, of(7, "203", "2") + brief(7), 203);  // the first time
  exchange(9, of(9, "203", "2") + brief(9), 203);
  exchange(11, of(11, "203", "1") + brief(11), 202);
  EXPECT_EQ(counted(Outcome::kTruncated), 1u);
  EXPECT_EQ(counted(Outcome::kSame), 3u);
  EXPECT_EQ(counted(Outcome::kOtherStatus), 1u);
  EXPECT_EQ(counted(Outcome::kOtherSize), 1u);  // it is only known that the shadow's is another
}

TEST_F(PairingHttp2, OfGrpcTheStatusIsUnknownThatAMissedTrailerHeld) {
  const protocol::Http2FieldList type = {{"content-type", "application/grpc"}, {"te", "trailers"}};
  const auto call = [&](std::uint32_t stream, const std::string& message, const char* status,
                        const std::string& shadows = "") {
    std::string answered = std::exchange(before, {}) + headers(stream, {type[0]}) + http2_frame(0, 0, stream, message);
    auto asked = ask(client.headers(stream, protocol::post("/a.B/C", type)));
    answer(answered += service.headers(stream, {{"grpc-status", status}}));
    protocol::Http2Encoder other;
    std::string all = settings + other.headers(1, {{":status", "200"}, type[0]}, protocol::kWhole);
    all += http2_frame(0, 0, 1, shadows.empty() ? message : shadows);
    shadow(asked[0], all += other.headers(1, {{"grpc-status", "0"}}));
  };
  call(1, "hello", "0");
  EXPECT_EQ(counted(Outcome::kSame), 1u);
  call(3, std::string(1000, 'x'), "0");
  call(5, "hello", "0");  // as on stream 1
  call(7, "hello", "5");  // its name as well
  EXPECT_EQ(counted(Outcome::kTruncated), 3u);
  call(9, "hello", "0", "hallo");
  EXPECT_EQ(counted(Outcome::kOtherBody), 1u);
}

// A service may read while it is in the middle of a frame.
TEST_F(PairingHttp2, WhereverItBeginsNothingIsGuessed) {
  std::string frames;
  for (int i = 0; i < 20; ++i) frames += http2_frame(0, 0, 1, "not much of it");
  frames += http2_frame(0, protocol::kEnd, 3, "hello") + http2_frame(3, 0, 3, "\0\0\0\0"s);  // none of stream 3's
  const std::string rest = http2_frame(0, protocol::kEnd, 1, frames);
  for (std::size_t begin = 0; begin <= rest.size(); ++begin) {
    SetUp();
    protocol::Http2Encoder own_client, own_service;
    auto long_one = ask(own_client.headers(1, protocol::get("/")));
    answer(settings + own_service.headers(1, {{":status", "200"}}, protocol::kWhole) +
           http2_frame(0, 0, 1, std::string(1000, 'x')) + rest.substr(0, begin));
    auto second = ask(own_client.headers(3, protocol::get("/")));
    answer(rest.substr(begin) + own_service.headers(3, {{":status", "404"}}));
    auto third = ask(own_client.headers(5, protocol::get("/")));
    answer(own_service.headers(5, {{":status", "404"}}));
    protocol::Http2Encoder other;
    const std::string not_found = settings + other.headers(1, {{":status", "404"}});
    shadow(second[0], not_found);
    shadow(third[0], not_found);
  }
  EXPECT_EQ(counted(Outcome::kOtherStatus), 0u);
  EXPECT_EQ(counted(Outcome::kSame) + counted(Outcome::kTruncated) + counted(Outcome::kUnpaired),
            2 * (rest.size() + 1));
  EXPECT_GT(counted(Outcome::kSame), rest.size());
}

TEST_F(PairingHttp2, AResetIsAnAnswerToo) {
  auto request = ask(client.headers(1, protocol::get("/")));
  answer(before + headers(1) + http2_frame(3, 0, 1, std::string("\0\0\0\2", 4)));
  shadow(request[0], settings + http2_frame(3, 0, 1, std::string("\0\0\0\2", 4)));
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

TEST_F(PairingHttp2, AnAnswerMayComeBeforeItsRequestIsWhole) {
  ask(client.headers(1, protocol::post("/"), protocol::kWhole));
  answer(before + service.headers(1, {{":status", "413"}}));
  auto request = ask(http2_frame(0, protocol::kEnd, 1, "all of it"));
  ASSERT_EQ(request.size(), 1u);
  protocol::Http2Encoder other;
  shadow(request[0], settings + other.headers(1, {{":status", "413"}}));
  EXPECT_EQ(counted(Outcome::kSame), 1u);
}

}  // namespace
}  // namespace gnomon::compare
