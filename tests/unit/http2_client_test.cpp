#include <map>
#include <string>
#include <vector>

#include "agent/protocol/http2/http2.h"
#include "gtest/gtest.h"
#include "tests/unit/http2_client_side.h"

namespace gnomon::protocol {
namespace {

std::string settings(std::uint16_t id, std::uint32_t value) {
  std::string payload = {static_cast<char>(id >> 8), static_cast<char>(id)};
  for (const int shift : {24, 16, 8, 0}) payload += static_cast<char>(value >> shift);
  return http2_frame(4, 0, 0, payload);
}

std::string goaway(std::uint32_t last) {
  std::string payload;
  for (const int shift : {24, 16, 8, 0}) payload += static_cast<char>(last >> shift);
  return http2_frame(7, 0, 0, payload + std::string(4, '\0'));
}

// The client with a service made of frames; what it says is framed as production's clients' bytes are.
struct Conversation {
  std::unique_ptr<Client> client = http2_client({});
  Http2Encoder encoder;  // the service's
  std::string out;
  std::vector<Answer> answers;

  explicit Conversation(const std::string& first = http2_frame(4, 0, 0, "")) {
    client->start({}, out);
    EXPECT_TRUE(say(first));
  }
  bool say(const std::string& bytes) {
    bool good = true;
    for (const char& c : bytes) good = good && client->receive(std::as_bytes(std::span(&c, 1)), answers, out);
    return good;
  }
  void send(const Request& request, std::uint64_t tag) { client->send(request, tag, out); }
  std::vector<std::string> sent() const {
    Http2RequestFramer framer(1, false);
    std::vector<Request> requests;
    framer.feed(std::as_bytes(std::span(out)), MonoTime{}, false, requests);
    EXPECT_EQ(framer.state(), RequestFramer::State::kFraming);
    std::vector<std::string> units;
    for (const auto& request : requests) units.push_back(*request.bytes);
    return units;
  }
};

TEST(Http2Client, SaysWhatWasCapturedAgain) {
  Conversation with;
  const Request requests[] = {
      request_of(get("/a")), request_of(get("/b")), request_of(post("/c"), "body", {{"x-sum", "4"}}),
      request_of(post("/d"), "", {{"x-sum", "0"}}), request_of(post("/e"), std::string(30000, 'e'))};
  std::uint64_t tag = 0;
  for (const Request& request : requests) with.send(request, ++tag);
  const auto sent = with.sent();
  ASSERT_EQ(sent.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(sent[i], *requests[i].bytes) << i;
}

TEST(Http2Client, MatchesAnswersToRequestsInAnyOrder) {
  Conversation with;
  with.send(request_of(get("/1")), 11);
  with.send(request_of(get("/3")), 13);
  EXPECT_TRUE(with.say(
      with.encoder.headers(3, {{":status", "503"}}, kWhole) + with.encoder.headers(1, {{":status", "103"}}, kWhole) +
      with.encoder.headers(1, {{":status", "404"}}) + http2_frame(0, 0, 3, "bod") + http2_frame(0, kEnd, 3, "y!")));
  ASSERT_EQ(with.answers.size(), 2u);
  EXPECT_EQ(with.answers[0].tag, 11u);
  EXPECT_EQ(with.answers[0].status, 404u);
  EXPECT_FALSE(with.answers[0].error);
  EXPECT_EQ(with.answers[1].tag, 13u);
  EXPECT_EQ(with.answers[1].status, 503u);
  EXPECT_TRUE(with.answers[1].error);
  EXPECT_EQ(with.answers[1].size, 5u);
}

TEST(Http2Client, TakesTheStatusOfACallFromItsTrailers) {
  const std::map<std::string, bool> statuses = {{"0", false}, {"1", false},  {"2", true},  {"3", false}, {"4", true},
                                                {"5", false}, {"8", true},   {"12", true}, {"13", true}, {"14", true},
                                                {"15", true}, {"16", false}, {"99", true}, {"x", true}};
  Conversation with;
  std::uint32_t stream = 1;
  for (const auto& [status, error] : statuses) {
    with.answers.clear();
    with.send(request_of(post("/a.B/C", {{"content-type", "application/grpc"}}), "message"), stream);
    EXPECT_TRUE(with.say(with.encoder.headers(stream, {{":status", "200"}}, kWhole) +
                         http2_frame(0, 0, stream, "reply") + with.encoder.headers(stream, {{"grpc-status", status}})));
    ASSERT_EQ(with.answers.size(), 1u);
    EXPECT_EQ(with.answers[0].error, error) << status;
    EXPECT_EQ(std::to_string(with.answers[0].status), status == "x" ? "2" : status);
    stream += 2;
  }
  with.send(request_of(post("/a.B/C", {{"content-type", "application/grpc"}})), stream);
  EXPECT_TRUE(with.say(with.encoder.headers(stream, {{":status", "503"}})));
  EXPECT_EQ(with.answers.back().status, 14u);
  with.send(request_of(post("/a", {{"content-type", "application/json"}})), stream + 2);
  EXPECT_TRUE(with.say(with.encoder.headers(stream + 2, {{":status", "200"}, {"grpc-status", "13"}})));
  EXPECT_FALSE(with.answers.back().error);
}

TEST(Http2Client, SendsNoMoreThanTheServicesWindowsAllow) {
  Conversation with(settings(4, 10));
  const std::string before = with.out;
  const Request request = request_of(post("/up"), std::string(25, 'b'));
  with.send(request, 1);
  EXPECT_TRUE(with.sent().empty());
  EXPECT_TRUE(with.say(http2_frame(8, 0, 1, std::string("\0\0\0\12", 4))));
  EXPECT_TRUE(with.sent().empty());
  EXPECT_TRUE(with.say(http2_frame(8, 0, 1, std::string("\0\0\0\12", 4))));
  EXPECT_EQ(with.sent(), std::vector{*request.bytes});
}

TEST(Http2Client, KeepsToTheServicesConcurrency) {
  EXPECT_EQ(http2_client({})->concurrency(), 100u);
  EXPECT_EQ(Conversation(settings(3, 7)).client->concurrency(), 7u);
  EXPECT_EQ(Conversation(settings(3, 0)).client->concurrency(), 1u);
  EXPECT_EQ(Conversation(settings(3, 1u << 30)).client->concurrency(), 100u);
}

TEST(Http2Client, SendsARefusedRequestAgainAndCountsAResetAsAFailure) {
  Conversation with;
  with.send(request_of(get("/a")), 1);
  with.send(request_of(get("/b")), 2);
  EXPECT_TRUE(with.say(http2_frame(3, 0, 1, std::string("\0\0\0\7", 4))));  // REFUSED_STREAM
  EXPECT_TRUE(with.answers.empty());
  EXPECT_EQ(with.sent().size(), 3u);
  EXPECT_TRUE(
      with.say(with.encoder.headers(5, {{":status", "200"}}) + http2_frame(3, 0, 3, std::string("\0\0\0\2", 4))));
  ASSERT_EQ(with.answers.size(), 2u);
  EXPECT_EQ(with.answers[0].tag, 1u);
  EXPECT_FALSE(with.answers[0].error);
  EXPECT_EQ(with.answers[1].tag, 2u);
  EXPECT_TRUE(with.answers[1].error);
}

TEST(Http2Client, TakesTheAnswersOfAServiceThatLeavesAndThenNoMore) {
  Conversation with;
  with.send(request_of(get("/a")), 1);
  with.send(request_of(get("/b")), 2);
  EXPECT_TRUE(with.client->reusable());
  EXPECT_TRUE(with.say(goaway(1)));
  EXPECT_FALSE(with.client->reusable());
  EXPECT_TRUE(with.answers.empty());
  EXPECT_FALSE(with.say(with.encoder.headers(1, {{":status", "200"}})));  // the other will have no answer
  ASSERT_EQ(with.answers.size(), 1u);
  EXPECT_EQ(with.answers[0].tag, 1u);
}

TEST(Http2Client, StopsAnUploadThatIsAnsweredAlready) {
  Conversation with(settings(4, 10));
  with.send(request_of(post("/up"), std::string(100, 'b')), 1);
  EXPECT_TRUE(with.say(with.encoder.headers(1, {{":status", "413"}})));
  ASSERT_EQ(with.answers.size(), 1u);
  EXPECT_EQ(with.answers[0].status, 413u);
  EXPECT_NE(with.out.find(http2_frame(3, 0, 1, std::string("\0\0\0\10", 4))), std::string::npos);
  EXPECT_TRUE(with.client->reusable());
}

TEST(Http2Client, TakesARequestBackAndNoOtherWithIt) {
  Conversation with;
  with.send(request_of(get("/a")), 1);
  with.send(request_of(get("/b")), 2);
  EXPECT_TRUE(with.client->cancel(1, with.out));
  EXPECT_FALSE(with.client->cancel(1, with.out));
  EXPECT_TRUE(with.say(with.encoder.headers(1, {{":status", "200"}}, kWhole) + http2_frame(0, kEnd, 1, "too late")));
  EXPECT_TRUE(with.answers.empty());
  EXPECT_TRUE(with.say(with.encoder.headers(3, {{":status", "200"}})));
  ASSERT_EQ(with.answers.size(), 1u);
  EXPECT_EQ(with.answers[0].tag, 2u);
}

TEST(Http2Client, HasNoUseForAConnectionThatIsNotHttp2) {
  Conversation with;
  EXPECT_FALSE(with.say("HTTP/1.1 400 Bad Request\r\n\r\n" + std::string(20000, 'x')));
  EXPECT_FALSE(with.client->reusable());
}

}  // namespace
}  // namespace gnomon::protocol
