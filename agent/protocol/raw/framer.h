#pragma once
// Keeps what a client says until it closes.

#include <string>

#include "agent/protocol/framer.h"

namespace gnomon::protocol {

// A connection that began unseen, lost bytes, or lasts longer than a minute is given up.
class RawFramer final : public RequestFramer {
 public:
  RawFramer(std::uint64_t conn_id, bool joined, const Limits& limits)
      : conn_id_(conn_id), limits_(limits), state_(joined ? State::kUnjoinable : State::kFraming) {}
  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override;
  void end(MonoTime at, std::vector<Request>& out) override;
  State state() const override { return state_; }
  bool mid_message() const override { return state_ == State::kFraming && !piece_.empty(); }
  std::size_t held_bytes() const override { return unit_.size() + piece_.size(); }

 private:
  bool keeps(std::size_t bytes, MonoTime at);
  void end_piece();

  const std::uint64_t conn_id_;
  const Limits limits_;
  State state_;
  MonoTime begun_{};
  std::string unit_;   // pieces before the one under way
  std::string piece_;  // that one's bytes; empty: nothing was said yet
  Nanos offset_{0};    // … and its time
  bool after_send_ = false;
};

}  // namespace gnomon::protocol
