// What the probe copies of a service's responses: their beginnings, exactly, by their place in the stream.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "tests/bpf/loopback.h"
#include "tests/bpf/lossy_network.h"
#include "tests/bpf/responses.h"

namespace gnomon {
namespace {

using loopback::receive;
using loopback::send_all;
using loopback::Service;
using responses::expect_beginnings;
using responses::random_responses;
using responses::Responses;
using responses::Seen;

class ResponseTest : public Responses {
 protected:
  void start(Service& service, std::uint64_t bound, Bytes ring = probe::Options{}.ring) {
    load(ring);
    if (IsSkipped()) return;
    const absl::Status asked = probe->set_responses(slot, Bytes{bound});
    if (absl::IsFailedPrecondition(asked)) GNOMON_SKIP_WITHOUT("responses", std::string(asked.message()));
    ASSERT_TRUE(asked.ok()) << std::string(asked.message());
    watch(service.listener(), 1);
    service.start();
  }
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

// Sends the responses' headers as such and their bodies from a file, as web servers do; a trailer as such again.
class FileResponses {
 public:
  FileResponses(std::size_t count, std::size_t largest) : file_(::memfd_create("responses", MFD_CLOEXEC)) {
    std::mt19937_64 random(11);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t size = 1 + random() % (i % 3 == 0 ? largest : 3000);
      parts_.push_back({loopback::random_bytes(random, 1 + random() % 400), loopback::random_bytes(random, size),
                        i % 4 == 0 ? "trailer" : ""});
      whole.push_back(parts_.back().header + parts_.back().body + parts_.back().trailer);
      send_to_file(parts_.back().body);
    }
  }
  Service::Serve service(bool close_at_once = false) const {
    return [this, close_at_once](int fd) {
      off_t from = 0;
      for (const Parts& response : parts_) {
        if (receive(fd, 1).empty()) return;
        ::send(fd, response.header.data(), response.header.size(), MSG_NOSIGNAL | MSG_MORE);
        for (std::size_t left = response.body.size(); left > 0;) {
          const ssize_t sent = ::sendfile(fd, file_.get(), &from, left);
          if (sent <= 0) loopback::fail("sendfile");
          left -= static_cast<std::size_t>(sent);
        }
        send_all(fd, response.trailer);
      }
      if (!close_at_once) receive(fd, 1);
    };
  }
  std::vector<std::string> whole;

 private:
  struct Parts {
    std::string header, body, trailer;
  };
  void send_to_file(const std::string& body) const {
    if (::write(file_.get(), body.data(), body.size()) != static_cast<ssize_t>(body.size())) loopback::fail("write");
  }
  UniqueFd file_;
  std::vector<Parts> parts_;
};

// A service that sends from files, of which the probe knows that.
class FileTest : public ResponseTest {
 protected:
  void start(Service& service, const FileResponses& responses, std::uint64_t bound) {
    ASSERT_NO_FATAL_FAILURE(ResponseTest::start(service, bound));
    if (IsSkipped()) return;
    ask_all(service, responses.whole);
    read_until_closed(1);
    EXPECT_TRUE(seen.begin()->second.lost);
    unreadable_ = counted(RESPONSE_UNREADABLE);
    EXPECT_GT(unreadable_, 0u);
    seen.clear();
  }
  void expect_nothing_lost() {
    EXPECT_EQ(counted(RESPONSE_UNREADABLE), unreadable_);
    EXPECT_EQ(counted(RESPONSE_LOST), 0u);
  }

 private:
  std::uint64_t unreadable_ = 0;
};

TEST_F(FileTest, ResponsesFromAFileAreCopiedExactlyOnceThatIsKnown) {
  for (const std::size_t bound : {1000u, 4096u, 60'000u}) {
    const FileResponses responses(40, 150'000);
    Service service(responses.service());
    ASSERT_NO_FATAL_FAILURE(start(service, responses, bound));
    if (IsSkipped()) return;
    ask_all(service, responses.whole);
    read_until_closed(1);
    expect_beginnings(seen.begin()->second, responses.whole, bound);
    expect_nothing_lost();
    seen.clear();
  }
}

TEST_F(FileTest, TheEndIsToldBehindWhatIsStillToLeave) {
  const FileResponses responses(1, 3'000'000);
  Service service(responses.service(/*close_at_once=*/true));
  ASSERT_NO_FATAL_FAILURE(start(service, responses, 60'000));
  if (IsSkipped()) return;
  {
    const UniqueFd client = service.connect();
    send_all(client.get(), "?");
    EXPECT_TRUE(receive(client.get(), responses.whole[0].size()) == responses.whole[0]);
  }
  read_until_closed(1);
  expect_beginnings(seen.begin()->second, responses.whole, 60'000);
}

TEST_F(FileTest, WhatIsSentAgainIsCopiedOnce) {
  const LossyNetwork network;
  if (!network.problem().empty()) GTEST_SKIP() << network.problem();
  const FileResponses responses(60, 100'000);
  Service service(responses.service(), network.listener());
  ASSERT_NO_FATAL_FAILURE(start(service, responses, 30'000));
  if (IsSkipped()) return;
  ask_all(service, responses.whole);
  read_until_closed(1);
  expect_beginnings(seen.begin()->second, responses.whole, 30'000);
  expect_nothing_lost();
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

TEST_F(ResponseTest, WhatIsSentInAPauseIsPassedOver) {
  const std::vector<std::string> responses = random_responses(8, 20'000);
  Service service(answering(responses, [](int fd, const std::string& response) { send_all(fd, response); }));
  ASSERT_NO_FATAL_FAILURE(start(service, 30'000));
  if (IsSkipped()) return;
  std::size_t passed_over = 0;
  {
    const UniqueFd client = service.connect();
    for (std::size_t i = 0; i < responses.size(); ++i) {
      ASSERT_TRUE(probe->set_paused(slot, i >= 2 && i < 5).ok());
      if (i >= 2 && i < 5) passed_over += responses[i].size();
      send_all(client.get(), "?");
      ASSERT_EQ(receive(client.get(), responses[i].size()), responses[i]);
    }
  }
  read_until_closed(1);
  const Seen& stream = seen.begin()->second;
  const auto before = static_cast<std::uint32_t>(responses[0].size() + responses[1].size());
  EXPECT_TRUE(stream.from(0) == responses[0] + responses[1]);
  EXPECT_TRUE(stream.from(before + static_cast<std::uint32_t>(passed_over)) ==
              responses[5] + responses[6] + responses[7]);
  EXPECT_FALSE(stream.lost);
  EXPECT_EQ(counted(RESPONSE_UNREADABLE), 0u);
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
