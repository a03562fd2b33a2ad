// What the probe copies of a service's responses: their beginnings, exactly, by their place in the stream.

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "bpf/abi/response.h"
#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::receive;
using loopback::send_all;
using loopback::Service;

// A connection's responses as they were captured: pieces by their place, counted from the first record's number.
struct Seen {
  std::optional<std::uint32_t> first;
  std::map<std::uint32_t, std::string> pieces;
  std::vector<std::uint32_t> begins;
  std::optional<std::uint32_t> end;
  bool lost = false;

  void add(const tap_record& header, std::span<const std::byte> payload) {
    if (!first) first = header.seq;
    const std::uint32_t at = header.seq - *first;
    if ((header.flags & TAP_LOST_BEFORE) != 0) lost = true;
    if (header.type == TAP_RESPONSE_END) {
      end = at;
      return;
    }
    if ((header.flags & TAP_RESPONSE_BEGIN) != 0) begins.push_back(at);
    EXPECT_TRUE(pieces.emplace(at, std::string(reinterpret_cast<const char*>(payload.data()), payload.size())).second)
        << "twice at " << at;
  }
  // Bytes from `at` on without a gap.
  std::string from(std::uint32_t at) const {
    std::string bytes;
    for (auto piece = pieces.find(at); piece != pieces.end(); piece = pieces.find(at)) {
      bytes += piece->second;
      at += static_cast<std::uint32_t>(piece->second.size());
    }
    return bytes;
  }
};

class ResponseTest : public TapTest {
 protected:
  void start(Service& service, std::uint64_t bound, Bytes ring = probe::Options{}.ring) {
    load(ring);
    if (IsSkipped()) return;
    const absl::Status asked = probe->set_responses(slot, Bytes{bound});
    if (absl::IsFailedPrecondition(asked)) GTEST_SKIP() << std::string(asked.message());
    ASSERT_TRUE(asked.ok()) << std::string(asked.message());
    watch(service.listener(), 1);
    service.start();
  }

  void read_until_closed(std::size_t connections) {
    std::size_t closed = 0;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (closed < connections) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "records are missing";
      ASSERT_TRUE(probe
                      ->poll(
                          [&](const tap_record& header, std::span<const std::byte> payload) {
                            if (header.type == TAP_RESPONSE || header.type == TAP_RESPONSE_END)
                              seen[header.conn_id].add(header, payload);
                            closed += header.type == TAP_CLOSE;
                          },
                          std::chrono::milliseconds(20))
                      .ok());
    }
  }

  std::uint64_t counted(response_counter which) { return probe->read(slot).value().response[which]; }

  std::map<std::uint64_t, Seen> seen;
};

// Answers each byte read with the next of `responses`, sent by `say`.
Service::Serve answering(const std::vector<std::string>& responses,
                         std::function<void(int fd, const std::string& response)> say) {
  return [&responses, say = std::move(say)](int fd) {
    for (const std::string& response : responses) {
      if (receive(fd, 1).empty()) return;
      say(fd, response);
    }
    receive(fd, 1);
  };
}

void ask_all(const Service& service, const std::vector<std::string>& responses) {
  const UniqueFd client = service.connect();
  for (const std::string& response : responses) {
    send_all(client.get(), "?");
    ASSERT_EQ(receive(client.get(), response.size()), response);
  }
}

std::vector<std::string> random_responses(std::size_t count, std::size_t largest) {
  std::mt19937_64 random(7);
  std::vector<std::string> responses;
  for (std::size_t i = 0; i < count; ++i)
    responses.push_back(loopback::random_bytes(random, 1 + random() % (i % 3 == 0 ? largest : 300)));
  return responses;
}

void expect_beginnings(const Seen& seen, const std::vector<std::string>& responses, std::size_t bound) {
  std::uint32_t at = 0;
  std::vector<std::uint32_t> begins;
  for (const std::string& response : responses) {
    begins.push_back(at);
    std::string copied = seen.from(at);
    copied.resize(std::min(copied.size(), response.size()));  // the next one follows without a gap if all was copied
    EXPECT_EQ(copied, response.substr(0, bound)) << "of " << response.size() << " bytes at " << at;
    at += static_cast<std::uint32_t>(response.size());
  }
  EXPECT_EQ(seen.begins, begins);
  EXPECT_EQ(seen.end, at);
  EXPECT_FALSE(seen.lost);
}

TEST_F(ResponseTest, BeginningsArriveExactlyWhateverTheirSizes) {
  const std::vector<std::string> responses = random_responses(300, 40'000);
  Service service(answering(responses, [](int fd, const std::string& response) { send_all(fd, response); }));
  ASSERT_NO_FATAL_FAILURE(start(service, 4096));
  if (IsSkipped()) return;
  ask_all(service, responses);
  read_until_closed(1);
  ASSERT_EQ(seen.size(), 1u);
  expect_beginnings(seen.begin()->second, responses, 4096);
  EXPECT_EQ(counted(RESPONSE_LOST) + counted(RESPONSE_UNREADABLE), 0u);
}

TEST_F(ResponseTest, PiecesOfAWritevArriveInTheirOrder) {
  const std::vector<std::string> responses = random_responses(200, 30'000);
  Service service(answering(responses, [](int fd, const std::string& response) {
    std::mt19937_64 random(response.size());
    std::string rest = response;
    while (!rest.empty()) {
      std::vector<iovec> parts;
      std::size_t at = 0;
      while (at < rest.size() && parts.size() < 64) {
        const std::size_t size = std::min<std::size_t>(rest.size() - at, random() % 2000);  // now and then none
        parts.push_back({rest.data() + at, size});
        at += size;
      }
      const ssize_t sent = ::writev(fd, parts.data(), static_cast<int>(parts.size()));
      if (sent < 0) loopback::fail("writev");
      rest.erase(0, static_cast<std::size_t>(sent));
    }
  }));
  ASSERT_NO_FATAL_FAILURE(start(service, 10'000));
  if (IsSkipped()) return;
  ask_all(service, responses);
  read_until_closed(1);
  expect_beginnings(seen.begin()->second, responses, 10'000);
}

// The kernel takes them in pieces, some of which the socket has no room for at first.
TEST_F(ResponseTest, LargeSendsThatDoNotFitAreCopiedOnce) {
  std::mt19937_64 random(3);
  const std::vector<std::string> responses = {loopback::random_bytes(random, 9'000'000), "short",
                                              loopback::random_bytes(random, 5'000'000)};
  Service service(answering(responses, [](int fd, const std::string& response) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    std::string_view rest = response;
    while (!rest.empty()) {
      const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) loopback::fail("send");
      if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    ::fcntl(fd, F_SETFL, 0);
  }));
  ASSERT_NO_FATAL_FAILURE(start(service, 60'000));
  if (IsSkipped()) return;
  ask_all(service, responses);
  read_until_closed(1);
  expect_beginnings(seen.begin()->second, responses, 60'000);
}

TEST_F(ResponseTest, WhatIsSentFromAFileIsCountedAndItsPlaceTold) {
  const std::vector<std::string> responses = {"header", "next"};
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Service service([&](int fd) {
    receive(fd, 1);
    send_all(fd, "header");
    off_t from = 0;
    ASSERT_EQ(::sendfile(fd, file.get(), &from, 1000), 1000);
    receive(fd, 1);
    send_all(fd, "next");
    receive(fd, 1);
  });
  ASSERT_NO_FATAL_FAILURE(start(service, 4096));
  if (IsSkipped()) return;
  {
    const UniqueFd client = service.connect();
    send_all(client.get(), "?");
    receive(client.get(), 1006);
    send_all(client.get(), "?");
    receive(client.get(), 4);
  }
  read_until_closed(1);
  const Seen& stream = seen.begin()->second;
  EXPECT_EQ(stream.from(0), "header");
  EXPECT_EQ(stream.from(1006), "next");
  EXPECT_TRUE(stream.lost);
  EXPECT_EQ(counted(RESPONSE_UNREADABLE), 1000u);
}

TEST_F(ResponseTest, WhatTheRingHasNoRoomForIsCounted) {
  const std::vector<std::string> responses(40, std::string(30'000, 'x'));
  Service service(answering(responses, [](int fd, const std::string& response) { send_all(fd, response); }));
  ASSERT_NO_FATAL_FAILURE(start(service, 30'000, Bytes{256 << 10}));
  if (IsSkipped()) return;
  ask_all(service, responses);  // nobody reads meanwhile
  const std::uint64_t copied = counted(RESPONSE_BYTES), lost = counted(RESPONSE_LOST);
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(copied + lost, 40u * 30'000);
}

TEST_F(ResponseTest, NothingIsCopiedUnlessASlotAsksForIt) {
  const std::vector<std::string> responses = random_responses(50, 1000);
  Service service(answering(responses, [](int fd, const std::string& response) { send_all(fd, response); }));
  ASSERT_NO_FATAL_FAILURE(start(service, 4096));
  if (IsSkipped()) return;
  ASSERT_TRUE(probe->set_responses(slot, Bytes{0}).ok());
  ask_all(service, responses);
  read_until_closed(1);
  EXPECT_TRUE(seen.empty());
  EXPECT_EQ(counted(RESPONSE_BYTES), 0u);
}

}  // namespace
}  // namespace gnomon
