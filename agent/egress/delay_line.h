#pragma once
// The bytes of responses, in order, each held back until it is due.

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "agent/egress/path.h"
#include "common/clock.h"

namespace gnomon::egress {

// Draws one delay for each response: what is sent after the other side has spoken. `path` must live longer.
class DelayLine {
 public:
  explicit DelayLine(Path& path) : path_(path) {}

  // The other side speaks. False: what it asks for is not to be answered.
  bool asked() {
    const bool is_new = std::exchange(answered_, false);
    if (is_new) response_.reset();
    return !is_new || path_.lets_request_through();
  }

  // False: the response is to be reset instead.
  bool push(std::string bytes, MonoTime now) {
    answered_ = true;
    const bool begins = !response_;
    if (begins && !path_.lets_response_begin(phase_)) return false;
    if (begins) response_ = path_.draw_delay();
    MonoTime due = now + response_->own + response_->injected;
    if (!line_.empty()) due = std::max(due, line_.back().due);
    due = path_.pace(due, bytes.size());
    held_ += bytes.size();
    line_.push_back({due, begins ? *response_ : Path::Delay{}, std::move(bytes)});
    return true;
  }

  bool empty() const { return line_.empty(); }
  std::size_t held() const { return held_; }
  MonoTime due() const { return line_.front().due; }  // of the first; there has to be one
  std::string pop(MonoTime now) {
    Held first = std::move(line_.front());
    line_.pop_front();
    held_ -= first.bytes.size();
    // For which it waited besides (others before it, the rate) is no delay.
    path_.delayed(first.delay, now - (first.due - first.delay.injected));
    path_.passed(first.bytes.size());
    return std::move(first.bytes);
  }

 private:
  struct Held {
    MonoTime due;
    Path::Delay delay;  // of the first bytes of a response
    std::string bytes;
  };
  Path& path_;
  std::optional<Path::Delay> response_;
  bool answered_ = true;  // whatever was asked for
  std::uint64_t phase_ = 0;
  std::deque<Held> line_;
  std::size_t held_ = 0;
};

}  // namespace gnomon::egress
