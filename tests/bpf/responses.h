#pragma once
// The beginnings of responses as the real probe hands them over.

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "bpf/abi/response.h"
#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon::responses {

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

inline std::vector<std::string> random_responses(std::size_t count, std::size_t largest) {
  std::mt19937_64 random(7);
  std::vector<std::string> responses;
  for (std::size_t i = 0; i < count; ++i)
    responses.push_back(loopback::random_bytes(random, 1 + random() % (i % 3 == 0 ? largest : 300)));
  return responses;
}

inline void expect_beginnings(const Seen& seen, const std::vector<std::string>& responses, std::size_t bound) {
  std::uint32_t at = 0;
  std::vector<std::uint32_t> begins;
  for (const std::string& response : responses) {
    begins.push_back(at);
    std::string copied = seen.from(at);
    copied.resize(std::min(copied.size(), response.size()));  // the next one follows without a gap if all was copied
    EXPECT_TRUE(copied == response.substr(0, bound))
        << copied.size() << " of " << response.size() << " bytes at " << at;
    at += static_cast<std::uint32_t>(response.size());
  }
  EXPECT_EQ(seen.begins, begins);
  EXPECT_EQ(seen.end, at);
  EXPECT_FALSE(seen.lost);
}

class Responses : public TapTest {
 protected:
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

}  // namespace gnomon::responses
