#include <string>

#include "agent/protocol/protocol.h"

namespace gnomon::protocol {
namespace {

// No protocol needs more to be told by.
constexpr std::size_t kTellingBytes = 4u << 10;

class DetectingFramer final : public RequestFramer {
 public:
  DetectingFramer(std::uint64_t conn_id, bool joined, const Limits& limits)
      : conn_id_(conn_id), joined_(joined), limits_(limits) {}

  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override {
    if (framer_) return framer_->feed(data, at, after_send, out);
    if (unknown_) return;
    if (joined_) {  // bytes before the service has sent belong to a request whose start was not seen
      trying_ = trying_ || after_send;
      if (!trying_) return;
      if (after_send) first_.clear();
    }
    if (first_.empty()) since_ = at;
    first_.append(reinterpret_cast<const char*>(data.data()), data.size());
    const auto [protocol, undecided] = match();
    if (protocol == nullptr) {
      if (undecided && first_.size() < kTellingBytes) return;
      if (joined_) {
        trying_ = false;
      } else {
        unknown_ = true;
      }
      std::string().swap(first_);
      return;
    }
    framer_ = protocol->framer(conn_id_, joined_, limits_);
    framer_->feed(std::as_bytes(std::span(first_)), since_, joined_, out);
    std::string().swap(first_);
  }

  State state() const override {
    if (framer_) return framer_->state();
    if (unknown_) return State::kUnparsable;
    return joined_ ? State::kJoining : State::kFraming;
  }
  bool mid_message() const override { return framer_ ? framer_->mid_message() : !joined_ && !first_.empty(); }
  std::size_t held_bytes() const override { return framer_ ? framer_->held_bytes() : first_.size(); }
  std::size_t under_way() const override { return framer_ ? framer_->under_way() : RequestFramer::under_way(); }
  bool has_no_memory() const override { return !framer_ || framer_->has_no_memory(); }
  Skipped skipped() const override { return framer_ ? framer_->skipped() : Skipped(); }

 private:
  struct Verdict {
    const Protocol* protocol = nullptr;
    bool undecided = false;
  };
  Verdict match() const {
    Verdict verdict;
    for (const Protocol* protocol : protocols()) {
      const auto match = protocol->match(first_);
      if (match == Protocol::Match::kYes) return {.protocol = protocol};
      verdict.undecided = verdict.undecided || match == Protocol::Match::kMaybe;
    }
    return verdict;
  }

  const std::uint64_t conn_id_;
  const bool joined_;
  const Limits limits_;
  bool trying_ = false;   // while joining: what comes may be a request's start
  bool unknown_ = false;  // it is none of the protocols
  std::string first_;     // what has come until it is told
  MonoTime since_{};
  std::unique_ptr<RequestFramer> framer_;
};

}  // namespace

std::unique_ptr<RequestFramer> detecting_framer(std::uint64_t conn_id, bool joined, const Limits& limits) {
  return std::make_unique<DetectingFramer>(conn_id, joined, limits);
}

}  // namespace gnomon::protocol
