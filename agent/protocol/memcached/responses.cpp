#include "agent/protocol/memcached/responses.h"

#include <algorithm>
#include <utility>

namespace gnomon::protocol::mc {

void Responses::expect(const Expectation& expectation) {
  expected_ = expectation;
  parser_ = {};
  sum_ = Gathered(keep_);
  replies_ = 0;
  whole_ = false;
}

ResponseReader::Progress Responses::feed(std::span<const std::byte> data, std::size_t* used) {
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  Progress progress = Progress::kMore;
  while (!text.empty() && progress == Progress::kMore) progress = after(parser_.advance(text, sum_));
  *used = data.size() - text.size();
  return progress;
}

ResponseReader::Progress Responses::skip(std::uint64_t size, std::uint64_t* used) {
  *used = std::min(size, parser_.ahead(expected_.values));
  if (*used == 0) return Progress::kBroken;
  return after(parser_.skip(*used, sum_));
}

ResponseReader::Progress Responses::after(ReplyParser::Progress progress) {
  if (progress == ReplyParser::Progress::kBroken) return Progress::kBroken;
  if (progress == ReplyParser::Progress::kMore) return Progress::kMore;
  if (replies_++ == 0 && expected_.error_is_doubtful && parser_.error()) return Progress::kBroken;
  whole_ = expected_.up_to_sign ? parser_.no_operation() : replies_ == expected_.replies;
  return whole_ ? Progress::kDone : Progress::kMore;
}

Response Responses::take() {
  Response response{.status = {}, .size = {}, .body = std::move(sum_.body)};
  const bool last = !expected_.up_to_sign && replies_ + 1 == expected_.replies;
  const auto left = last ? parser_.left(expected_.values) : std::nullopt;
  if (whole_ || left) response.size = sum_.size + left.value_or(0);
  if (whole_ || sum_.status != 0) response.status = sum_.status;
  return response;
}

}  // namespace gnomon::protocol::mc
