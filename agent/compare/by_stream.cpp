#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "agent/compare/reading.h"

namespace gnomon::compare {
namespace {

class ByStream final : public Reading {
 public:
  explicit ByStream(std::unique_ptr<protocol::StreamReader> reader) : reader_(std::move(reader)) {}

  void request(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said&) override {
    last_ = std::max(last_, request.stream);
    if (pair) waiting_[request.stream] = std::move(pair);
    if (waiting_.size() > kMostWaiting) {  // the client has cancelled it, unless the service is that slow
      waiting_.begin()->second->missing(Outcome::kUnpaired);
      waiting_.erase(waiting_.begin());
    }
    reader_->expect(request, told_);
    tell();
  }
  void begins(bool) override {
    if (!lost_by_ && reader_->sure()) return;
    give_up(read_, lost_by_.value_or(Outcome::kUnpaired));
    lost_by_.reset();
    reader_->resume();
  }
  std::size_t take(std::span<const std::byte> data) override {
    if (data.empty()) return 0;
    if (lost_by_)
      give_up(last_, *lost_by_);
    else
      go_on(reader_->feed(data, told_), last_, Outcome::kUnpaired);
    read_ = last_;
    answered_.reset();
    return data.size();
  }
  void skip(std::uint64_t size, bool lost) override {
    const bool possible = !lost_by_ && reader_->skip(size, lost, told_);
    go_on(possible, lost ? last_ : answered_.value_or(last_), lost ? Outcome::kLost : Outcome::kTruncated);
  }
  void at_bound() override { answered_ = last_; }
  void lose(Outcome why) override { go_on(false, last_, why); }
  // Those that are answered are told of as before: it is only of the lost ones that nobody knows.
  void hole() override {}
  void despair(Outcome why) override {
    hopeless_ = why;
    for (const auto& [stream, pair] : std::exchange(waiting_, {})) pair->missing(why);
  }

 private:
  // Unless it is possible, the place is lost, and what comes next may answer any request up to stream `last`.
  void go_on(bool possible, std::uint32_t last, Outcome why_not) {
    tell();
    if (!possible) give_up(last, why_not);
  }
  void give_up(std::uint32_t last, Outcome why) {
    lost_by_ = why;
    reader_->stop(last, told_);
    tell(why == Outcome::kLost);
    const auto kept = waiting_.upper_bound(last);
    for (auto of = waiting_.begin(); of != kept; ++of) of->second->missing(why);
    waiting_.erase(waiting_.begin(), kept);
  }
  void tell(bool damaged = false) {
    for (auto& told : std::exchange(told_, {}))
      if (const auto pair = waiting_.extract(told.stream))
        pair.mapped()->production(std::move(told.response), damaged || told.damaged);
  }

  const std::unique_ptr<protocol::StreamReader> reader_;
  std::map<std::uint32_t, std::shared_ptr<Pair>> waiting_;  // by stream, whose numbers grow
  std::vector<protocol::StreamReader::Told> told_;
  std::uint32_t last_ = 0;                 // stream of a request
  std::uint32_t read_ = 0;                 // the same, when bytes came last
  std::optional<std::uint32_t> answered_;  // up to which stream the service may have, beyond the bound
  std::optional<Outcome> lost_by_;         // why the place is lost
};

}  // namespace

std::unique_ptr<Reading> read_by_stream(std::unique_ptr<protocol::StreamReader> reader) {
  return std::make_unique<ByStream>(std::move(reader));
}

}  // namespace gnomon::compare
