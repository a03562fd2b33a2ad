#pragma once
// A connection of whose responses the beginnings alone are captured.

#include <gtest/gtest.h>

#include "agent/compare/pairing.h"
#include "tests/unit/conversations.h"

namespace gnomon::compare {

using protocol::Request;

inline constexpr std::size_t kBound = 256;

// A connection whose client, framed, waits for each answer before it says more, and of whose responses kBound bytes
// each are captured.
class PairingBound : public ::testing::Test {
 protected:
  void start(const protocol::Protocol& spoken, bool joined = false) {
    protocol = &spoken;
    pairing = std::make_unique<Pairing>(Settings{.body = true, .bytes = kBound}, tally);
    pairing->open(1, joined);
    framer = spoken.framer(1, joined, {});
    said = joined;
  }
  // The requests that become whole with it.
  std::vector<Request> ask(std::string_view bytes) {
    if (said) pairing->sent(1);
    std::vector<Request> requests;
    framer->feed(std::as_bytes(std::span(bytes)), {}, std::exchange(said, false), requests);
    for (Request& request : requests) {
      pairing->request(request, true);
      request.watch->sent();
    }
    return requests;
  }
  // What production answers, of which the bound's bytes are captured, unless they are lost.
  void answer(std::string_view bytes, bool lost = false) {
    said = true;
    if (!lost) record(TAP_RESPONSE, bytes.substr(0, kBound), TAP_RESPONSE_BEGIN);
    if (lost) pending = TAP_LOST_BEFORE;
    at += static_cast<std::uint32_t>(bytes.size() - (lost ? 0 : std::min(kBound, bytes.size())));
  }
  void record(std::uint32_t type, std::string_view bytes, std::uint32_t flags) {
    tap_record header{};
    header.conn_id = 1;
    header.type = type;
    header.flags = flags | std::exchange(pending, 0);
    header.seq = at;
    header.len = static_cast<std::uint32_t>(bytes.size());
    pairing->record(header, std::as_bytes(std::span(bytes)));
    at += header.len;
  }
  // What the shadow answers to it, on a connection of its own that has said `before`.
  void shadow(const Request& request, std::string_view bytes, std::string_view before = "") {
    const auto client = protocol->client({.kept_body_bytes = kBound});
    std::string out;
    std::vector<protocol::Answer> answers;
    client->start(request, out);
    client->send(request, 0, out);
    client->receive(std::as_bytes(std::span(before)), answers, out);
    EXPECT_TRUE(client->receive(std::as_bytes(std::span(bytes)), answers, out));
    ASSERT_EQ(answers.size(), 1u);
    request.watch->answered(answers[0]);
  }
  // Asks, and compares production's answer with the shadow's.
  void compare(std::string_view asked, std::string_view production, std::string_view shadows,
               std::string_view before = "") {
    auto requests = ask(asked);
    ASSERT_EQ(requests.size(), 1u);
    answer(production);
    shadow(requests[0], shadows, before);
  }
  std::uint64_t counted(Outcome outcome) {
    std::uint64_t sum = 0;
    for (const Counts& counts : tally->counts()) sum += counts.of(outcome);
    return sum;
  }

  const protocol::Protocol* protocol = nullptr;
  std::shared_ptr<Tally> tally = std::make_shared<Tally>();
  std::unique_ptr<Pairing> pairing;
  std::unique_ptr<protocol::RequestFramer> framer;
  bool said = false;
  std::uint32_t at = 0xffffff00, pending = 0;
};

}  // namespace gnomon::compare
