#pragma once
// The bytes of responses, in order, each held back until it is due.

#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/delay.h"

namespace gnomon::egress {

// Draws one delay for each response: what is sent after the other side has spoken.
class DelayLine {
 public:
  DelayLine(Nanos mean, Nanos stddev, std::uint64_t seed)
      : distribution_(DelayShape::kNormal, mean, stddev), random_(seed) {}

  void asked() { response_.reset(); }

  void push(std::string bytes, MonoTime now) {
    if (!response_)
      response_ = Nanos(
          static_cast<std::int64_t>(distribution_.quantile(std::uniform_real_distribution<double>(0, 1)(random_))));
    held_ += bytes.size();
    const MonoTime due = now + *response_;
    line_.push_back({std::max(due, line_.empty() ? due : line_.back().due), std::move(bytes)});
  }

  bool empty() const { return line_.empty(); }
  std::size_t held() const { return held_; }
  MonoTime due() const { return line_.front().due; }  // of the first; there has to be one
  std::string pop() {
    std::string bytes = std::move(line_.front().bytes);
    line_.pop_front();
    held_ -= bytes.size();
    return bytes;
  }

 private:
  struct Held {
    MonoTime due;
    std::string bytes;
  };
  const DelayDistribution distribution_;
  std::mt19937_64 random_;
  std::optional<Nanos> response_;
  std::deque<Held> line_;
  std::size_t held_ = 0;
};

}  // namespace gnomon::egress
