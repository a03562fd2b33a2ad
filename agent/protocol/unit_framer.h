#pragma once
// What framers have in common whose protocols' units follow one another, each whole before the next begins.

#include <string>
#include <string_view>

#include "agent/protocol/framer.h"

namespace gnomon::protocol {

class UnitFramer : public RequestFramer {
 public:
  State state() const final { return state_; }
  bool mid_message() const final { return state_ == State::kFraming && !held_.empty(); }
  std::size_t held_bytes() const override { return held_.size(); }

 protected:
  explicit UnitFramer(bool joined) : state_(joined ? State::kJoining : State::kFraming) {}

  // Whether what comes is looked at: of a joined stream, what may begin a unit, just after the service has sent.
  bool admits(bool after_send) {
    if (given_up(state_) || quit_) return false;
    if (state_ == State::kJoining && after_send) {
      forget();
      trying_ = true;
    }
    return state_ != State::kJoining || trying_;
  }
  bool waits_to_join() const { return state_ == State::kJoining && !trying_; }
  // It has.
  void join() {
    state_ = State::kFraming;
    trying_ = false;
  }
  // The unit under way with what has come of it now: in the caller's buffer if it began there, else in held_.
  std::string_view extended_by(std::span<const std::byte> data) {
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    in_held_ = !held_.empty();
    return in_held_ ? std::string_view(held_ += text) : text;
  }
  // Of that, what no whole unit was made of.
  void hold(std::string_view rest) {
    if (!in_held_) {
      held_.assign(rest);
      return;
    }
    held_.erase(0, held_.size() - rest.size());
    if (held_.empty() && held_.capacity() > kKeptBuffer) std::string().swap(held_);
  }
  // While joining, what is no unit is the middle of one: it waits for the next chance.
  void give_up(State why) {
    if (state_ == State::kJoining)
      trying_ = false;
    else
      state_ = why;
    forget();
  }
  // What is known of the unit under way.
  virtual void forget() { std::string().swap(held_); }

  bool quit_ = false;  // the client says no more

 private:
  static constexpr std::size_t kKeptBuffer = 16u << 10;  // more is given back once it is empty

  State state_;
  bool trying_ = false;  // while joining: what comes may be a unit
  bool in_held_ = false;
  std::string held_;
};

}  // namespace gnomon::protocol
