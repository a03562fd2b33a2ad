#include "agent/protocol/memcached/reply.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace gnomon::protocol::mc {
namespace {

constexpr std::size_t kLongestLine = 4u << 10;
constexpr std::uint64_t kLargest = 1ull << 40;
constexpr std::string_view kEnd = "END\r\n";

constexpr std::string_view kPlain[] = {"END",        "STORED",    "HD", "EN",   "OK",     "DELETED",
                                       "NOT_STORED", "NS",        "EX", "NF",   "EXISTS", "TOUCHED",
                                       "VERSION",    "NOT_FOUND", "ME", "RESET"};
constexpr std::string_view kErrors[] = {"ERROR", "CLIENT_ERROR", "SERVER_ERROR"};
constexpr std::string_view kLines[] = {"STAT", "ITEM", "PREFIX"};  // more follow, and END

std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return word;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

ReplyParser::Progress ReplyParser::advance(std::string_view& data, Gathered& sum) {
  while (!data.empty() && !broken_) {
    if (std::exchange(fresh_, false)) items_ = 0;
    if (block_ > 0) {
      const auto used = static_cast<std::size_t>(std::min<std::uint64_t>(block_, data.size()));
      for (std::size_t i = block_ > 2 ? static_cast<std::size_t>(std::min<std::uint64_t>(block_ - 2, used)) : 0;
           i < used; ++i)
        broken_ = broken_ || data[i] != (block_ - i == 2 ? '\r' : '\n');
      block_ -= used;
      sum.add(data.substr(0, used));
      data.remove_prefix(used);
      if (block_ == 0 && !broken_ && block_end() == Progress::kReply) return Progress::kReply;
      continue;
    }
    const auto newline = data.find('\n');
    const std::size_t used = newline == std::string_view::npos ? data.size() : newline + 1;
    broken_ = line_.size() + used > kLongestLine;
    if (broken_) break;
    line_.append(data.substr(0, used));
    data.remove_prefix(used);
    if (newline == std::string_view::npos) break;
    const Progress progress = line(line_, sum);
    line_.clear();
    if (progress != Progress::kMore) return progress;
  }
  return broken_ ? Progress::kBroken : Progress::kMore;
}

// After the last of the values that were asked for comes END, and nothing else.
bool ReplyParser::end_is_next(std::uint32_t values) const {
  return !fresh_ && kind_ == Kind::kItem && values > 0 && items_ == values && kEnd.starts_with(line_);
}

std::uint64_t ReplyParser::ahead(std::uint32_t values) const {
  return block_ + (end_is_next(values) ? kEnd.size() - line_.size() : 0);
}

std::optional<std::uint64_t> ReplyParser::left(std::uint32_t values) const {
  if (end_is_next(values)) return block_ + kEnd.size();
  return block_ > 0 && kind_ == Kind::kValue ? std::optional(block_) : std::nullopt;
}

ReplyParser::Progress ReplyParser::skip(std::uint64_t bytes, Gathered& sum) {
  const std::uint64_t of_block = std::min(bytes, block_);
  block_ -= of_block;
  sum.pass(of_block);
  if (of_block > 0 && block_ == 0 && block_end() == Progress::kReply) return Progress::kReply;
  std::string_view end = kEnd.substr(line_.size(), static_cast<std::size_t>(bytes - of_block));
  if (end.empty()) return Progress::kMore;
  sum.pass(0);
  return advance(end, sum);
}

ReplyParser::Progress ReplyParser::block_end() {
  fresh_ = kind_ == Kind::kValue;
  return fresh_ ? Progress::kReply : Progress::kMore;
}

ReplyParser::Progress ReplyParser::line(std::string_view line, Gathered& sum) {
  const std::string_view whole = line;
  broken_ = !line.ends_with("\r\n");
  if (broken_) return Progress::kBroken;
  line.remove_suffix(2);
  kind_ = kind_of(line);
  broken_ = kind_ == Kind::kUnknown;
  if (broken_) return Progress::kBroken;
  if (kind_ != Kind::kNoOperation) sum.add(whole);
  const std::string_view word = take_word(line);
  if (kind_ != Kind::kNoOperation && !number(word)) sum.say(word);
  if (kind_ == Kind::kError) sum.error = true;
  if (kind_ == Kind::kItem || kind_ == Kind::kValue) {  // VALUE key flags bytes; VA bytes
    for (int i = kind_ == Kind::kItem ? 2 : 0; i > 0; --i) take_word(line);
    const auto bytes = number(take_word(line));
    broken_ = !bytes || *bytes > kLargest;
    if (broken_) return Progress::kBroken;
    block_ = *bytes + 2;
    if (kind_ == Kind::kItem) ++items_;
    return Progress::kMore;
  }
  if (kind_ == Kind::kMore) return Progress::kMore;
  fresh_ = true;
  return Progress::kReply;
}

ReplyParser::Kind ReplyParser::kind_of(std::string_view line) {
  const std::string_view word = line.substr(0, line.find(' '));
  if (word == "VALUE") return Kind::kItem;
  if (word == "VA") return Kind::kValue;
  if (word == "MN") return Kind::kNoOperation;
  if (std::ranges::count(kPlain, word) > 0 || number(word)) return Kind::kPlain;
  if (std::ranges::count(kErrors, word) > 0) return Kind::kError;
  return std::ranges::count(kLines, word) > 0 ? Kind::kMore : Kind::kUnknown;
}

}  // namespace gnomon::protocol::mc
