#include <random>
#include <string>
#include <vector>

#include "agent/protocol/http1/http1.h"
#include "gtest/gtest.h"

namespace gnomon::protocol {
namespace {

using Progress = Http1ResponseFramer::Progress;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

struct Outcome {
  Progress progress = Progress::kMore;
  int status = 0;
  bool keep_alive = true;
  std::size_t used = 0;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Feeds the pieces of one response, and the peer's close when it is still unfinished then.
Outcome frame(const std::vector<std::string>& pieces, bool head = false) {
  Http1ResponseFramer framer;
  framer.expect(head);
  Outcome outcome;
  for (const auto& piece : pieces) {
    if (outcome.progress != Progress::kMore) break;
    std::size_t used = 0;
    outcome.progress = framer.feed(bytes_of(piece), &used);
    outcome.used += used;
  }
  if (outcome.progress == Progress::kMore) outcome.progress = framer.finish();
  outcome.status = framer.status();
  outcome.keep_alive = framer.keep_alive();
  return outcome;
}

struct Case {
  const char* name;
  std::string stream;
  Progress progress = Progress::kDone;
  int status = 200;
  bool keep_alive = true;
  std::size_t rest = 0;  // bytes at the end that belong to what follows
  bool head = false;
};

std::vector<Case> cases() {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  return {
      {"length", ok + "Content-Length: 5\r\n\r\nhello"},
      {"length, more after it", ok + "Content-Length: 5\r\n\r\nhelloHTTP", Progress::kDone, 200, true, 4},
      {"zero length", ok + "Content-Length: 0\r\n\r\n"},
      {"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\nX", Progress::kDone, 200,
       true, 1},
      {"until close", ok + "\r\nwhatever comes", Progress::kDone, 200, false},
      {"coding without chunked runs until close", ok + "Transfer-Encoding: gzip\r\n\r\nx", Progress::kDone, 200, false},
      {"both lengths: chunked counts, the connection does not",
       ok + "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Progress::kDone, 200, false},
      {"close", ok + "Connection: close\r\nContent-Length: 0\r\n\r\n", Progress::kDone, 200, false},
      {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", Progress::kDone, 200, false},
      {"1.0 kept alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"},
      {"no reason phrase", "HTTP/1.1 503\r\nContent-Length: 0\r\n\r\n", Progress::kDone, 503},
      {"204", "HTTP/1.1 204 No Content\r\n\r\nX", Progress::kDone, 204, true, 1},
      {"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Progress::kDone, 304},
      {"answer to HEAD", ok + "Content-Length: 5\r\n\r\n", Progress::kDone, 200, true, 0, true},
      {"interim first",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n"},
      {"lone LF ends a line", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx"},
      {"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", Progress::kBroken, 101},
      {"not HTTP", "SSH-2.0-OpenSSH_9.2\r\n", Progress::kBroken, 0},
      {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", Progress::kBroken, 0},
      {"bad length", ok + "Content-Length: x\r\n\r\n", Progress::kBroken},
      {"differing lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", Progress::kBroken},
      {"bad chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", Progress::kBroken},
      {"cut off in the header", ok + "Content-Le", Progress::kBroken},
      {"cut off in the body", ok + "Content-Length: 5\r\n\r\nhel", Progress::kBroken},
      {"cut off before anything", "", Progress::kBroken, 0},
  };
}

TEST(Http1ResponseFramer, FindsTheEndOfEachForm) {
  for (const Case& c : cases()) {
    const Outcome outcome = frame({c.stream}, c.head);
    EXPECT_EQ(outcome.progress, c.progress) << c.name;
    EXPECT_EQ(outcome.status, c.status) << c.name;
    if (c.progress == Progress::kDone) {
      EXPECT_EQ(outcome.keep_alive, c.keep_alive) << c.name;
      EXPECT_EQ(outcome.used, c.stream.size() - c.rest) << c.name;
    }
  }
}

TEST(Http1ResponseFramer, FindsTheSameEndWhereverTheStreamIsSplit) {
  for (const Case& c : cases()) {
    const Outcome whole = frame({c.stream}, c.head);
    for (std::size_t at = 0; at <= c.stream.size(); ++at)
      ASSERT_EQ(frame({c.stream.substr(0, at), c.stream.substr(at)}, c.head), whole) << c.name << " split at " << at;
    std::vector<std::string> single;
    for (char byte : c.stream) single.emplace_back(1, byte);
    EXPECT_EQ(frame(single, c.head), whole) << c.name;
  }
}

TEST(Http1ResponseFramer, RefusesAHeaderWithoutEnd) {
  EXPECT_EQ(frame({"HTTP/1.1 200 OK\r\n", std::string(300 << 10, 'x')}).progress, Progress::kBroken);
  std::string many = "HTTP/1.1 200 OK\r\n";
  while (many.size() < 300 << 10) many += "X: y\r\n";
  EXPECT_EQ(frame({many}).progress, Progress::kBroken);
}

TEST(Http1ResponseFramer, ReadsOneResponseAfterAnother) {
  Http1ResponseFramer framer;
  for (int i = 0; i < 3; ++i) {
    framer.expect(false);
    EXPECT_EQ(framer.status(), 0);
    std::size_t used = 0;
    const std::string text =
        "HTTP/1.1 20" + std::to_string(i) + " X\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    EXPECT_EQ(framer.feed(bytes_of(text), &used), Progress::kDone);
    EXPECT_EQ(framer.status(), 200 + i);
  }
}

TEST(Http1ResponseFramer, SurvivesGarbage) {
  std::mt19937_64 random(13);
  const std::vector<Case> seeds = cases();
  for (int round = 0; round < 20000; ++round) {
    const Case& seed = seeds[random() % seeds.size()];
    std::string stream = seed.stream + seeds[random() % seeds.size()].stream;
    for (int i = 0; i < 3 && !stream.empty(); ++i) stream[random() % stream.size()] = static_cast<char>(random());
    const std::size_t at = random() % (stream.size() + 1);
    ASSERT_EQ(frame({stream}, seed.head), frame({stream.substr(0, at), stream.substr(at)}, seed.head));
  }
}

}  // namespace
}  // namespace gnomon::protocol
