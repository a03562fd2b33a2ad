// In every protocol both sides' responses are read alike, and of bytes that are not at hand nothing is guessed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "agent/compare/pairing.h"
#include "tests/unit/conversations.h"

namespace gnomon::compare {
namespace {

using protocol::Answer;
using protocol::Request;

constexpr std::size_t kBytes = 4096;

std::vector<Request> requests_of(const Conversation& conversation) {
  const auto framer = conversation.protocol->framer(1, false, {});
  std::vector<Request> requests;
  framer->feed(std::as_bytes(std::span(conversation.asked)), {}, false, requests);
  EXPECT_EQ(framer->state(), protocol::RequestFramer::State::kFraming);
  return requests;
}

// By the replayer's client, in the order of the requests.
std::vector<Answer> answers_of(const Conversation& conversation, const std::vector<Request>& requests,
                               std::size_t piece = std::string::npos) {
  const auto client = conversation.protocol->client({.kept_body_bytes = kBytes});
  std::string out;
  std::vector<Answer> answers;
  client->start(requests.front(), out);
  const bool one_by_one = client->concurrency() == 1;
  std::string_view rest = conversation.shadow;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    client->send(requests[i], i, out);
    if (!one_by_one && i + 1 < requests.size()) continue;
    const std::size_t wanted = answers.size() + 1;
    while (!rest.empty() && (one_by_one ? answers.size() < wanted : true)) {
      const std::string_view here = rest.substr(0, one_by_one ? 1 : piece);
      EXPECT_TRUE(client->receive(std::as_bytes(std::span(here)), answers, out));
      rest.remove_prefix(here.size());
    }
  }
  EXPECT_EQ(answers.size(), requests.size());
  std::ranges::sort(answers, {}, &Answer::tag);
  return answers;
}

struct Hole {
  std::size_t from = std::string::npos, size = 0;
  bool lost = false;  // else it is beyond what is captured
};

std::map<Outcome, std::uint64_t> compared(const std::vector<Request>& asked, const std::vector<Answer>& answers,
                                          std::string_view said, std::size_t piece, const Hole& hole = {}) {
  const auto tally = std::make_shared<Tally>();
  Pairing pairing({.body = true, .bytes = kBytes}, tally);
  pairing.open(1, false);
  std::vector<Request> requests = asked;
  for (Request& request : requests) {
    pairing.request(request, true);
    request.watch->sent();
  }
  bool lost = false;
  for (std::size_t at = 0; at < said.size();) {
    if (at == hole.from) {
      at += hole.size;
      lost = hole.lost;
      continue;
    }
    const std::string_view here = said.substr(at, at < hole.from ? std::min(piece, hole.from - at) : piece);
    tap_record header{};
    header.conn_id = 1;
    header.type = TAP_RESPONSE;
    if (at == 0) header.flags |= TAP_RESPONSE_BEGIN;
    if (std::exchange(lost, false)) header.flags |= TAP_LOST_BEFORE;
    header.seq = static_cast<std::uint32_t>(0xffffff80u + at);
    header.len = static_cast<std::uint32_t>(here.size());
    pairing.record(header, std::as_bytes(std::span(here)));
    at += here.size();
  }
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].watch->answered(answers[i]);
  pairing.close(1);
  requests.clear();
  EXPECT_EQ(tally->held_bytes(), 0u);
  std::map<Outcome, std::uint64_t> outcomes;
  for (const Counts& counts : tally->counts())
    for (std::size_t i = 0; i < kOutcomes; ++i)
      if (counts.count[i] > 0) outcomes[static_cast<Outcome>(i)] += counts.count[i];
  return outcomes;
}

class PairingProtocols : public ::testing::TestWithParam<Conversation> {};

TEST_P(PairingProtocols, ReadBothSidesAlikeHoweverTheyAreSplit) {
  const Conversation& conversation = GetParam();
  const auto requests = requests_of(conversation);
  ASSERT_EQ(requests.size(), conversation.requests);
  const std::map<Outcome, std::uint64_t> all_same = {{Outcome::kSame, requests.size()}};
  const auto answers = answers_of(conversation, requests);
  for (std::size_t piece = 1; piece <= conversation.said.size(); ++piece)
    ASSERT_EQ(compared(requests, answers, conversation.said, piece), all_same) << piece;
  for (std::size_t piece = 1; piece <= conversation.shadow.size(); ++piece)
    ASSERT_EQ(compared(requests, answers_of(conversation, requests, piece), conversation.said, std::string::npos),
              all_same)
        << piece;
}

TEST_P(PairingProtocols, OfMissingBytesNothingIsGuessed) {
  const Conversation& conversation = GetParam();
  const auto requests = requests_of(conversation);
  const auto answers = answers_of(conversation, requests);
  for (const bool lost : {false, true}) {
    // The first bytes are within any bound.
    for (std::size_t from = lost ? 0 : 1; from < conversation.said.size(); ++from) {
      for (std::size_t size = 1; from + size <= conversation.said.size(); ++size) {
        const auto outcomes = compared(requests, answers, conversation.said, std::string::npos,
                                       {.from = from, .size = size, .lost = lost});
        std::uint64_t counted = 0;
        for (const auto& [outcome, count] : outcomes) {
          ASSERT_THAT(outcome, testing::AnyOf(Outcome::kSame, Outcome::kLost, Outcome::kTruncated, Outcome::kUnpaired))
              << from << " + " << size;
          counted += count;
        }
        ASSERT_EQ(counted, requests.size()) << from << " + " << size;
      }
    }
  }
}

// It is found, but where it is passed over, or takes the meaning from what follows.
TEST_P(PairingProtocols, WhatOneOtherByteMakesOfThemIsCountedOnce) {
  const Conversation& conversation = GetParam();
  const auto requests = requests_of(conversation);
  const auto answers = answers_of(conversation, requests);
  std::uint64_t found = 0;
  for (std::size_t at = 0; at < conversation.said.size(); ++at) {
    std::string other = conversation.said;
    other[at] = static_cast<char>(other[at] ^ 1);
    const auto outcomes = compared(requests, answers, other, std::string::npos);
    std::uint64_t counted = 0;
    for (const auto& [outcome, count] : outcomes) counted += count;
    ASSERT_EQ(counted, requests.size()) << at;
    found += outcomes.contains(Outcome::kOtherBody) || outcomes.contains(Outcome::kOtherStatus) ||
             outcomes.contains(Outcome::kOtherSize);
  }
  EXPECT_GT(found, 10u);
}

INSTANTIATE_TEST_SUITE_P(All, PairingProtocols, ::testing::ValuesIn(conversations()),
                         [](const auto& of) { return std::string(of.param.protocol->name()); });

}  // namespace
}  // namespace gnomon::compare
