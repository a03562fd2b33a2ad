#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "agent/compare/reading.h"

namespace gnomon::compare {
namespace {

using protocol::Answered;
using Progress = protocol::ResponseReader::Progress;
using Pairs = std::vector<std::shared_ptr<Pair>>;  // none of them null

// So often a client has to have waited for all answers before it is believed to.
constexpr std::uint32_t kProof = 4;

class InOrder final : public Reading {
 public:
  explicit InOrder(std::unique_ptr<protocol::ResponseReader> reader) : reader_(std::move(reader)) {}

  void request(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said& said) override;
  void begins(bool sent) override;
  std::size_t take(std::span<const std::byte> data) override;
  void skip(std::uint64_t size, bool lost) override;
  void at_bound() override {
    if (synced_ && reading_ && !reader_->until_close()) tell();
  }
  void lose(Outcome why) override;
  void end() override;
  void hole() override {
    lose(Outcome::kLost);
    drop(0, Outcome::kLost);
  }
  void despair(Outcome why) override;

 private:
  struct Waiting {
    protocol::ResponseReader::Expectation expectation;
    std::shared_ptr<Pair> pair;  // null: it is not replayed
    Pairs unanswered;            // of those before it that are answered by nothing, unless they fail
    bool uncertain = false;      // where its response ends cannot be told
    bool torn = false;           // its response may have begun before it was whole
    bool after_send = false;     // the service had sent since the one before
    bool begun = false;          // when the place was lost, responses to it or those said with it may have been
  };
  void add(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said& said);
  void watch_client(const Said& said);
  bool begin();
  void resync(bool sent);
  std::size_t last_said() const;
  void tell();
  void pop();
  void drop(std::size_t kept, Outcome why);

  const std::unique_ptr<protocol::ResponseReader> reader_;
  std::deque<Waiting> waiting_;           // for their responses
  Pairs unanswered_;                      // since the last of these
  bool doubtful_ = false;                 // … there was one, replayed or not
  bool synced_ = true;                    // what comes next belongs to waiting_.front()
  bool pipelined_ = false;                // the client has said more before it was answered
  bool overlaps_ = false;                 // it has said more when some of what it had said before was answered
  std::uint32_t waits_ = 0;               // how often it has when all was, up to kProof
  Outcome lost_by_ = Outcome::kUnpaired;  // why it is not synced
  // Of the response to waiting_.front().
  bool reading_ = false;  // its first byte has come
  bool told_ = false;     // its pair has all it will get
  bool damaged_ = false;  // bytes of it within the bound were lost
};

void InOrder::request(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said& said) {
  if (request.answered == Answered::kByErrorOnly) {
    doubtful_ = true;
    if (!pair) return;
    if (unanswered_.size() == kMostWaiting) return pair->missing(Outcome::kUnpaired);
    unanswered_.push_back(std::move(pair));
    return;
  }
  watch_client(said);
  add(request, std::move(pair), said);
  if (request.answered == Answered::kUnordered || waiting_.size() > kMostWaiting) despair(Outcome::kUnpaired);
}

void InOrder::watch_client(const Said& said) {
  if (!said.after_send) {
    pipelined_ = pipelined_ || !waiting_.empty();
  } else if (synced_ && waiting_.empty()) {
    waits_ = std::min(waits_ + 1, kProof);
  } else if (synced_ && !(reading_ && told_) && !waiting_.front().uncertain) {
    overlaps_ = true;
  }
}

void InOrder::add(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said& said) {
  const bool begun = !synced_ && !said.after_send && (waiting_.empty() || waiting_.back().begun);
  waiting_.push_back({.expectation = {.head = request.head,
                                      .before = request.before,
                                      .replies = request.replies,
                                      .up_to_sign = request.answered == Answered::kUpToSign,
                                      .values = request.values,
                                      .error_is_doubtful = std::exchange(doubtful_, false)},
                      .pair = std::move(pair),
                      .unanswered = std::exchange(unanswered_, {}),
                      .uncertain = request.answered == Answered::kUncertain,
                      .torn = said.torn,
                      .after_send = said.after_send,
                      .begun = begun});
}

std::size_t InOrder::take(std::span<const std::byte> data) {
  const std::size_t size = data.size();
  while (!data.empty() && synced_) {
    if (waiting_.empty()) return size - data.size();
    if (!reading_ && !begin()) break;
    std::size_t used = 0;
    const Progress progress = reader_->feed(data, &used);
    data = data.subspan(used);
    if (progress == Progress::kDone) pop();
    if (progress == Progress::kBroken) lose(Outcome::kUnpaired);
  }
  return size;
}

void InOrder::skip(std::uint64_t size, bool lost) {
  const Outcome why = lost ? Outcome::kLost : Outcome::kTruncated;
  while (size > 0 && synced_) {
    if (!reading_) return lose(why);
    damaged_ = damaged_ || lost;
    std::uint64_t used = 0;
    const Progress progress = reader_->skip(size, &used);
    size -= used;
    if (progress == Progress::kDone) pop();
    if (progress != Progress::kBroken) continue;
    tell();
    lose(why);
  }
}

void InOrder::begins(bool sent) {
  if (synced_ && !reading_ && !waiting_.empty() && waiting_.front().uncertain) lose(Outcome::kUnpaired);
  if (!synced_) resync(sent);
}

// Of what was said last at once, the first.
std::size_t InOrder::last_said() const {
  std::size_t at = waiting_.size() - 1;
  while (at > 0 && !waiting_[at].after_send) --at;
  return at;
}

// Whose response begins is certain where the client waits for each before it says more: the last request's. Where it
// waits for all that it has said at once: the first's of these.
void InOrder::resync(bool sent) {
  if (waiting_.empty()) return;
  const std::size_t first = pipelined_ ? last_said() : waiting_.size() - 1;
  const Waiting& answered = waiting_[first];
  const bool waits = waits_ == kProof && !overlaps_ && answered.after_send && !answered.begun && !sent;
  if (pipelined_ && !waits) return despair(lost_by_);
  synced_ = !answered.torn && !answered.uncertain;
  drop(synced_ ? waiting_.size() - first : 0, lost_by_);
  // What failed before it may have been told in what was lost.
  if (synced_)
    for (const auto& pair : std::exchange(waiting_.front().unanswered, {})) pair->missing(lost_by_);
}

void InOrder::end() {
  if (synced_ && reading_ && reader_->finish() == Progress::kDone)
    pop();
  else
    lose(Outcome::kLost);
}

void InOrder::lose(Outcome why) {
  if (!synced_) return;
  synced_ = false;
  lost_by_ = why;
  for (std::size_t i = 0; i < waiting_.size() && (i == 0 || !waiting_[i].after_send); ++i) waiting_[i].begun = true;
  if (reading_) drop(waiting_.size() - 1, why);
  reading_ = false;
}

void InOrder::despair(Outcome why) {
  if (hopeless_) return;
  hopeless_ = why;
  synced_ = false;
  drop(0, why);
  for (const auto& pair : std::exchange(unanswered_, {})) pair->missing(why);
}

bool InOrder::begin() {
  if (waiting_.front().uncertain) {
    lose(Outcome::kUnpaired);
    return false;
  }
  reader_->expect(waiting_.front().expectation);
  reading_ = true;
  told_ = damaged_ = false;
  return true;
}

void InOrder::tell() {
  if (std::exchange(told_, true)) return;
  if (const auto& pair = waiting_.front().pair) pair->production(reader_->take(), damaged_);
}

// The response to the first is whole.
void InOrder::pop() {
  tell();
  for (const auto& pair : waiting_.front().unanswered) pair->production({.status = 0, .size = 0, .body = {}}, false);
  waiting_.pop_front();
  reading_ = false;
  if (waiting_.empty()) pipelined_ = false;
}

void InOrder::drop(std::size_t kept, Outcome why) {
  while (waiting_.size() > kept) {
    if (const auto& pair = waiting_.front().pair) pair->missing(why);
    for (const auto& pair : waiting_.front().unanswered) pair->missing(why);
    waiting_.pop_front();
  }
  if (waiting_.empty()) reading_ = false;
}

}  // namespace

std::unique_ptr<Reading> read_in_order(std::unique_ptr<protocol::ResponseReader> reader) {
  return std::make_unique<InOrder>(std::move(reader));
}

}  // namespace gnomon::compare
