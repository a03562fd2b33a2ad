#include <map>
#include <utility>
#include <vector>

#include "agent/compare/reading.h"

namespace gnomon::compare {
namespace {

class ByStream final : public Reading {
 public:
  explicit ByStream(std::unique_ptr<protocol::StreamReader> reader) : reader_(std::move(reader)) {}

  void request(const protocol::Request& request, std::shared_ptr<Pair> pair, const Said&) override {
    if (pair) waiting_[request.stream] = std::move(pair);
    if (waiting_.size() > kMostWaiting) {  // the client has cancelled it, unless the service is that slow
      waiting_.begin()->second->missing(Outcome::kUnpaired);
      waiting_.erase(waiting_.begin());
    }
    reader_->expect(request, told_);
    tell();
  }
  std::size_t take(std::span<const std::byte> data) override {
    go_on(reader_->feed(data, told_), Outcome::kUnpaired);
    return data.size();
  }
  void skip(std::uint64_t size, bool lost) override {
    go_on(reader_->skip(size, lost, told_), lost ? Outcome::kLost : Outcome::kTruncated);
  }
  void lose(Outcome why) override { go_on(false, why); }
  // Those that are answered are told of as before: it is only of the lost ones that nobody knows.
  void hole() override {}
  void despair(Outcome why) override {
    hopeless_ = why;
    for (const auto& [stream, pair] : std::exchange(waiting_, {})) pair->missing(why);
  }

 private:
  void go_on(bool possible, Outcome why_not) {
    if (!possible) reader_->stop(told_);
    tell();
    if (!possible) despair(why_not);
  }
  void tell() {
    for (auto& told : std::exchange(told_, {}))
      if (const auto pair = waiting_.extract(told.stream))
        pair.mapped()->production(std::move(told.response), told.damaged);
  }

  const std::unique_ptr<protocol::StreamReader> reader_;
  std::map<std::uint32_t, std::shared_ptr<Pair>> waiting_;  // by stream, whose numbers grow
  std::vector<protocol::StreamReader::Told> told_;
};

}  // namespace

std::unique_ptr<Reading> read_by_stream(std::unique_ptr<protocol::StreamReader> reader) {
  return std::make_unique<ByStream>(std::move(reader));
}

}  // namespace gnomon::compare
