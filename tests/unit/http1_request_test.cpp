#include <random>
#include <string>
#include <vector>

#include "agent/protocol/http1/http1.h"
#include "gtest/gtest.h"

namespace gnomon::protocol {
namespace {

using State = Http1RequestFramer::State;
using namespace std::string_literals;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

struct Outcome {
  std::vector<std::string> requests;
  State state = State::kFraming;
  bool mid_message = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome frame(const std::vector<std::string>& pieces, bool joined = false, Limits limits = {}) {
  Http1RequestFramer framer(7, joined, limits);
  std::vector<Request> out;
  bool first = true;
  for (const auto& piece : pieces) {
    framer.feed(bytes_of(piece), MonoTime{}, joined && first, out);
    first = false;
  }
  Outcome outcome{{}, framer.state(), framer.mid_message()};
  for (const auto& request : out) outcome.requests.push_back(*request.bytes);
  return outcome;
}

struct Case {
  const char* name;
  std::string stream;
  std::vector<std::string> requests;
  State state = State::kFraming;
  bool mid_message = false;
};

const std::string kGet = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const std::string kBusyChunked =
    "POST / HTTP/1.1\r\ntransfer-encoding: gzip, Chunked\r\nTrailer: X\r\n\r\n"
    "0005;name=value;q=\"x\"\r\nhe\r\no\r\nA ;e\r\n0123456789\r\n000\r\nX: y\r\nZ:\r\n\r\n";

std::string with(const std::string& fields, const std::string& body = "") {
  return "POST / HTTP/1.1\r\n" + fields + "\r\n" + body;
}

std::vector<Case> cases() {
  const auto bad = [](const char* name, std::string stream) {
    return Case{name, std::move(stream), {}, State::kUnparsable};
  };
  return {
      {"get", kGet, {kGet}},
      {"head", "HEAD / HTTP/1.1\r\n\r\n", {"HEAD / HTTP/1.1\r\n\r\n"}},
      {"get with a body",
       "GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
       {"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"}},
      {"post", kPost, {kPost}},
      {"post without a body", with("Host: x\r\n"), {with("Host: x\r\n")}},
      {"chunked", kChunked, {kChunked}},
      {"chunked with extensions and trailers", kBusyChunked, {kBusyChunked}},
      {"pipelined", kGet + kPost + kChunked + kGet, {kGet, kPost, kChunked, kGet}},
      {"empty lines between", "\r\n\r\n" + kPost + "\r\n" + kGet, {kPost, kGet}},
      {"absolute form", "GET http://x/ HTTP/1.1\r\n\r\n", {"GET http://x/ HTTP/1.1\r\n\r\n"}},
      {"asterisk form", "OPTIONS * HTTP/1.1\r\n\r\n", {"OPTIONS * HTTP/1.1\r\n\r\n"}},
      {"unknown method", "BREW / HTTP/1.1\r\n\r\n", {"BREW / HTTP/1.1\r\n\r\n"}},
      {"version 1.0 with keep-alive",
       "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" + kGet,
       {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", kGet}},
      {"expect 100-continue",
       with("Expect: 100-continue\r\nContent-Length: 1\r\n", "a"),
       {with("Expect: 100-continue\r\nContent-Length: 1\r\n", "a")}},
      {"equal lengths twice",
       with("Content-Length: 1\r\nContent-Length: 1\r\n", "a") + kGet,
       {with("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), kGet}},
      {"equal lengths in a list", with("Content-Length: 1, 1\r\n", "a"), {with("Content-Length: 1, 1\r\n", "a")}},
      {"upgrade-insecure-requests is no upgrade",
       with("Upgrade-Insecure-Requests: 1\r\n"),
       {with("Upgrade-Insecure-Requests: 1\r\n")}},
      {"high bytes in a value", with("X: \xc3\xa9\r\n"), {with("X: \xc3\xa9\r\n")}},
      {"nothing", "", {}},
      {"half a header", "GET / HTTP/1.1\r\nHo", {}, State::kFraming, true},
      {"half a body", kGet + "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel", {kGet}, State::kFraming, true},
      {"half a chunk", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", {}, State::kFraming, true},
      {"upgrade", kGet + with("Connection: upgrade\r\nUpgrade: websocket\r\n", "\x81\x05"), {kGet}, State::kUpgraded},
      {"connect", "CONNECT x:443 HTTP/1.1\r\n\r\nabc", {}, State::kUpgraded},
      bad("both lengths", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
      bad("both lengths, other order", with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")),
      bad("differing lengths", with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
      bad("differing lengths in a list", with("Content-Length: 5, 6\r\n", "hello")),
      bad("signed length", with("Content-Length: +5\r\n", "hello")),
      bad("negative length", with("Content-Length: -5\r\n", "hello")),
      bad("hexadecimal length", with("Content-Length: 0x5\r\n", "hello")),
      bad("empty length", with("Content-Length:\r\n", "hello")),
      bad("length beyond 64 bits", with("Content-Length: 99999999999999999999\r\n", "hello")),
      bad("coding that does not end in chunked", with("Transfer-Encoding: gzip\r\n", "x")),
      bad("chunked before another coding", with("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")),
      bad("chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")),
      bad("xchunked", with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")),
      bad("chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      bad("empty chunk size", with("Transfer-Encoding: chunked\r\n", "\r\nhello")),
      bad("chunk size with prefix", with("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n")),
      bad("chunk size with sign", with("Transfer-Encoding: chunked\r\n", "-1\r\n")),
      bad("chunk size with space", with("Transfer-Encoding: chunked\r\n", " 5\r\nhello\r\n")),
      bad("chunk size with trailing space", with("Transfer-Encoding: chunked\r\n", "5 \r\nhello\r\n")),
      bad("chunk size beyond 64 bits", with("Transfer-Encoding: chunked\r\n", "10000000000000005\r\nhello\r\n")),
      bad("chunk longer than its size", with("Transfer-Encoding: chunked\r\n", "4\r\nhello\r\n0\r\n\r\n")),
      bad("bare LF after a chunk size", with("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n")),
      bad("bad trailer", with("Transfer-Encoding: chunked\r\n", "0\r\nX : y\r\n\r\n")),
      bad("obs-fold", with("X: a\r\n b\r\n")),
      bad("space before colon", with("Host : x\r\n")),
      bad("field without colon", with("Host\r\n")),
      bad("empty name", with(": x\r\n")),
      bad("bare CR in a value", with("X: a\rb\r\n")),
      bad("NUL in a value", with("X: a\0b\r\n"s)),
      bad("bare LF", "GET / HTTP/1.1\nHost: x\n\n"),
      bad("lone LF before", "\n" + kGet),
      bad("lone CR before", "\r" + kGet),
      bad("no version", "GET /\r\n\r\n"),
      bad("two spaces", "GET  / HTTP/1.1\r\n\r\n"),
      bad("space in the target", "GET /a b HTTP/1.1\r\n\r\n"),
      bad("tab for a space", "GET\t/ HTTP/1.1\r\n\r\n"),
      bad("lower-case protocol", "GET / http/1.1\r\n\r\n"),
      bad("version 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      bad("tls", "\x16\x03\x01\x02\r\n\r\n"),
      {"bytes after a close",
       with("Connection: close\r\n") + kGet,
       {with("Connection: close\r\n")},
       State::kUnparsable},
  };
}

TEST(Http1RequestFramer, FramesOrRefusesEachFormAsRfc9112Says) {
  for (const Case& c : cases()) EXPECT_EQ(frame({c.stream}), (Outcome{c.requests, c.state, c.mid_message})) << c.name;
}

TEST(Http1RequestFramer, GivesTheSameRequestsWhereverTheStreamIsSplit) {
  for (const Case& c : cases()) {
    const Outcome whole = frame({c.stream});
    for (std::size_t at = 0; at <= c.stream.size(); ++at)
      ASSERT_EQ(frame({c.stream.substr(0, at), c.stream.substr(at)}), whole) << c.name << " split at " << at;
    std::vector<std::string> single;
    for (char byte : c.stream) single.emplace_back(1, byte);
    EXPECT_EQ(frame(single), whole) << c.name << " byte by byte";
  }
}

TEST(Http1RequestFramer, StampsARequestWithTheTimeOfItsFirstByte) {
  Http1RequestFramer framer(7, false);
  std::vector<Request> out;
  const auto at = [](int ms) { return MonoTime(std::chrono::milliseconds(ms)); };
  framer.feed(bytes_of("\r\n"), at(1), false, out);
  framer.feed(bytes_of(kPost.substr(0, 10)), at(2), false, out);
  framer.feed(bytes_of(kPost.substr(10) + kGet + "G"), at(3), false, out);
  framer.feed(bytes_of(kGet.substr(1)), at(4), false, out);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].arrival, at(2));
  EXPECT_EQ(out[1].arrival, at(3));
  EXPECT_EQ(out[2].arrival, at(3));
  EXPECT_EQ(out[0].conn_id, 7u);
}

TEST(Http1RequestFramer, SaysWhetherTheClientAskedToCloseAndWhetherItIsAHead) {
  const auto only = [](const std::string& text) {
    Http1RequestFramer framer(7, false);
    std::vector<Request> out;
    framer.feed(bytes_of(text), MonoTime{}, false, out);
    return out.at(0);
  };
  EXPECT_FALSE(only(kGet).close);
  EXPECT_FALSE(only(kGet).head);
  EXPECT_TRUE(only("HEAD / HTTP/1.1\r\n\r\n").head);
  EXPECT_TRUE(only("GET / HTTP/1.1\r\nConnection: foo, Close\r\n\r\n").close);
  EXPECT_TRUE(only("GET / HTTP/1.0\r\n\r\n").close);
  EXPECT_FALSE(only("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").close);
}

TEST(Http1RequestFramer, CountsWhatIsTooLargeAsOversizedHoweverItIsSplit) {
  const Limits limits{.header_bytes = 100, .message_bytes = 200};
  const std::string exact = with("Content-Length: 160\r\n", std::string(160, 'x'));
  ASSERT_EQ(exact.size(), 200u);
  EXPECT_EQ(frame({exact}, false, limits), (Outcome{{exact}, State::kFraming, false}));
  for (const std::string& stream : {
           with("Content-Length: 161\r\n", std::string(161, 'x')),
           with("Content-Length: 9223372036854775807\r\n"),
           with("X: " + std::string(100, 'x') + "\r\n"),
           std::string(101, 'x'),
           with("Transfer-Encoding: chunked\r\n", "50\r\n" + std::string(0x50, 'x') + "\r\n50\r\n"),
           with("Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\n"),
           with("Transfer-Encoding: chunked\r\n", "5;" + std::string(100, 'x')),
       }) {
    for (std::size_t at = 0; at <= stream.size(); ++at)
      ASSERT_EQ(frame({stream.substr(0, at), stream.substr(at)}, false, limits),
                (Outcome{{}, State::kOversized, false}))
          << stream << " split at " << at;
  }
}

TEST(Http1RequestFramer, JoinsAtARequestThatFollowsASend) {
  Http1RequestFramer framer(7, true);
  std::vector<Request> out;
  framer.feed(bytes_of(kGet), MonoTime{}, false, out);  // may be the middle of a body
  framer.feed(bytes_of("rest of a body\r\n"), MonoTime{}, true, out);
  framer.feed(bytes_of(kGet), MonoTime{}, false, out);
  EXPECT_EQ(framer.state(), State::kJoining);
  EXPECT_FALSE(framer.mid_message());
  EXPECT_TRUE(out.empty());
  framer.feed(bytes_of(kPost + kGet), MonoTime{}, true, out);
  EXPECT_EQ(framer.state(), State::kFraming);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(*out[0].bytes, kPost);
  EXPECT_EQ(*out[1].bytes, kGet);
}

TEST(Http1RequestFramer, JoinsWhereverTheFirstRequestIsSplit) {
  for (std::size_t at = 0; at <= kPost.size(); ++at)
    ASSERT_EQ(frame({kPost.substr(0, at), kPost.substr(at) + kGet}, true),
              (Outcome{{kPost, kGet}, State::kFraming, false}));
}

TEST(Http1RequestFramer, StartsOverWhenTheServiceSendsInsideAFirstRequestLine) {
  Http1RequestFramer framer(7, true);
  std::vector<Request> out;
  framer.feed(bytes_of("GET /not"), MonoTime{}, true, out);
  framer.feed(bytes_of(kGet), MonoTime{}, true, out);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(*out[0].bytes, kGet);
}

TEST(Http1RequestFramer, TakesNoBodyForARequestThatTheServiceHasAskedFor) {
  const std::string head =
      "POST /p HTTP/1.1\r\nHost: a\r\nexpect: 100-Continue\r\nContent-Length: " + std::to_string(kGet.size()) +
      "\r\n\r\n";
  Http1RequestFramer framer(7, true);
  std::vector<Request> out;
  framer.feed(bytes_of(head), MonoTime{}, true, out);
  framer.feed(bytes_of(kGet), MonoTime{}, true, out);  // after "100 Continue"
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(*out[0].bytes, head + kGet);
}

TEST(Http1RequestFramer, NeverEmitsWhatWasNotInTheStream) {
  std::mt19937_64 random(11);
  const std::vector<Case> seeds = cases();
  for (int round = 0; round < 20000; ++round) {
    std::string stream = seeds[random() % seeds.size()].stream + seeds[random() % seeds.size()].stream;
    for (int i = 0; i < 3 && !stream.empty(); ++i) stream[random() % stream.size()] = static_cast<char>(random());
    const std::size_t at = random() % (stream.size() + 1);
    const bool joined = random() % 2 == 0;
    const Outcome whole = frame({stream}, joined), split = frame({stream.substr(0, at), stream.substr(at)}, joined);
    ASSERT_EQ(whole, split);
    std::size_t from = 0;
    for (const auto& request : whole.requests) {
      from = stream.find(request, from);
      ASSERT_NE(from, std::string::npos);
      from += request.size();
    }
  }
}

}  // namespace
}  // namespace gnomon::protocol
