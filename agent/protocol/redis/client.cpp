#include "agent/protocol/redis/client.h"

#include <limits>

#include "agent/protocol/redis/command.h"
#include "agent/protocol/redis/session.h"

namespace gnomon::protocol::resp {

// Where the captured connection's credentials are not known, it joined late, the declared password is tried.
void RedisClient::start(const Request& first, std::string& out) {
  if (!password_.empty()) {
    out.append("*2\r\n$4\r\nAUTH\r\n$").append(std::to_string(password_.size())).append("\r\n");
    out.append(password_).append("\r\n");
    expected_.push_back({.replies = 1, .setup = true});
  }
  say(first.prelude, out);
}

void RedisClient::say(const std::shared_ptr<const std::string>& prelude, std::string& out) {
  if (prelude == said_ || !prelude) return;
  std::string_view rest = unsaid(said_ ? std::string_view(*said_) : std::string_view(), *prelude);
  CommandParser parser(std::numeric_limits<std::size_t>::max() / 2);
  Expected setup{.setup = true};
  while (true) {
    const std::string_view command = take_command(rest, parser);
    if (command.empty()) break;
    out += command;
    ++setup.replies;
  }
  if (setup.replies > 0) expected_.push_back(setup);
  said_ = prelude;
}

void RedisClient::send(const Request& request, std::uint64_t tag, std::string& out) {
  say(request.prelude, out);
  out += *request.bytes;
  expected_.push_back({.replies = request.replies, .tag = tag, .sum = ReplySum(keep_)});
}

bool RedisClient::receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string&) {
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  while (!text.empty() && !broken_) {
    // With nothing expected, a push may come all the same.
    const auto progress = expected_.empty() ? parser_.advance(text) : expected_.front().sum.advance(parser_, text);
    if (progress == ReplyParser::Progress::kMore) break;
    if (progress == ReplyParser::Progress::kPush) continue;
    broken_ = progress == ReplyParser::Progress::kBroken || expected_.empty();
    if (broken_) break;
    Expected& first = expected_.front();
    if (--first.replies > 0) continue;
    if (!first.setup) answers.push_back(answer_of(first.tag, std::move(first.sum.sum())));
    expected_.pop_front();
  }
  return !broken_;
}

}  // namespace gnomon::protocol::resp
