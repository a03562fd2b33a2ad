#include "agent/protocol/memcached/client.h"

#include "agent/protocol/memcached/command.h"

namespace gnomon::protocol::mc {

void MemcachedClient::send(const Request& request, std::uint64_t tag, std::string& out) {
  out += *request.bytes;
  if (request.replies == 0) out.append(kNoOperation).append("\r\n");
  expected_.push_back({.until_sign = request.replies == 0, .tag = tag, .sum = Gathered(keep_)});
}

bool MemcachedClient::receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string&) {
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  while (!text.empty() && !broken_) {
    broken_ = expected_.empty();
    if (broken_) break;
    Expected& first = expected_.front();
    const auto progress = parser_.advance(text, first.sum);
    if (progress == ReplyParser::Progress::kMore) break;
    broken_ = progress == ReplyParser::Progress::kBroken;
    if (broken_) break;
    if (first.until_sign && !parser_.no_operation()) continue;
    answers.push_back(answer_of(first.tag, std::move(first.sum)));
    expected_.pop_front();
  }
  return !broken_;
}

}  // namespace gnomon::protocol::mc
