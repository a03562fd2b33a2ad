#include "agent/protocol/redis/responses.h"

#include <algorithm>
#include <utility>

namespace gnomon::protocol::resp {

ReplyParser::Progress ReplySum::advance(ReplyParser& parser, std::string_view& data) {
  const std::string_view before = data;
  const auto progress = parser.advance(data);
  if (!parser.in_push()) sum_.add(before.substr(0, before.size() - data.size()));
  ended(parser, progress);
  return progress;
}

ReplyParser::Progress ReplySum::skip(ReplyParser& parser, std::uint64_t bytes) {
  if (!parser.in_push()) sum_.pass(bytes);
  const auto progress = parser.skip(bytes);
  ended(parser, progress);
  return progress;
}

void ReplySum::ended(const ReplyParser& parser, ReplyParser::Progress progress) {
  if (progress == ReplyParser::Progress::kReply && parser.error()) sum_.fail(parser.error_word());
}

void Responses::expect(const Expectation& expectation) {
  parser_ = {};
  before_ = expectation.before;
  left_ = expectation.replies;
  sum_ = ReplySum(before_ == 0 ? keep_ : 0);
}

ResponseReader::Progress Responses::feed(std::span<const std::byte> data, std::size_t* used) {
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  Progress progress = Progress::kMore;
  while (!text.empty() && progress == Progress::kMore) progress = after(sum_.advance(parser_, text));
  *used = data.size() - text.size();
  return progress;
}

ResponseReader::Progress Responses::skip(std::uint64_t size, std::uint64_t* used) {
  *used = std::min(size, parser_.ahead());
  if (*used == 0) return Progress::kBroken;
  return after(sum_.skip(parser_, *used));
}

ResponseReader::Progress Responses::after(ReplyParser::Progress progress) {
  if (progress == ReplyParser::Progress::kBroken) return Progress::kBroken;
  if (progress != ReplyParser::Progress::kReply) return Progress::kMore;
  if (before_ > 0) {
    if (--before_ == 0) sum_ = ReplySum(keep_);
    return Progress::kMore;
  }
  return --left_ == 0 ? Progress::kDone : Progress::kMore;
}

Response Responses::take() {
  Gathered& sum = sum_.sum();
  if (parser_.error() && !parser_.in_push()) sum.fail(parser_.error_word());
  Response response{.status = {}, .size = {}, .body = std::move(sum.body)};
  if (before_ > 0) return response;
  const bool whole = left_ == 0;
  const auto left = left_ == 1 ? parser_.left() : std::nullopt;
  if (whole || left) response.size = sum.size + left.value_or(0);
  // An error may still come in what is not known yet.
  if (response.size || sum.error) response.status = sum.status;
  return response;
}

}  // namespace gnomon::protocol::resp
