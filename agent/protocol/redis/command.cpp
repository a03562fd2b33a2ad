#include "agent/protocol/redis/command.h"

#include <charconv>
#include <cstring>

namespace gnomon::protocol::resp {
namespace {

constexpr std::size_t kLongestHeader = 24;            // a sign, a length, a line end
constexpr std::size_t kLongestInline = 64u << 10;     // as the server has it
constexpr std::int64_t kMostArguments = 1024 * 1024;  // as the server had it until 7.0

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

void append_upper(std::string_view text, char*& out) {
  for (const char c : text) *out++ = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const std::string_view digits = text.substr(text.front() == '-' ? 1 : 0);
  if (digits.front() == '0' && text.size() > 1) return std::nullopt;
  return value;
}

void CommandParser::restart() {
  *this = CommandParser(limit_);
}

void CommandParser::keep(std::size_t from, std::size_t size) {
  if (count_ < kKept) kept_[count_] = {from, size};
  ++count_;
}

CommandParser::Progress CommandParser::advance(std::string_view text) {
  while (true) {
    if (stage_ == Stage::kBulk) {
      if (text.size() - pos_ < bulk_ + 2) return Progress::kMore;
      const std::size_t from = pos_;
      pos_ += bulk_ + 2;
      if (text[pos_ - 2] != '\r' || text[pos_ - 1] != '\n') return Progress::kMalformed;
      keep(from, bulk_);
      if (--left_ == 0) return Progress::kDone;
      stage_ = Stage::kLength;
      continue;
    }
    if (stage_ == Stage::kStart) {
      if (text.empty()) return Progress::kMore;
      stage_ = text.front() == '*' ? Stage::kCount : Stage::kInline;
    }
    if (const auto end = line(text)) return *end;
  }
}

// Takes a line where one is expected. Nullopt: it is taken, and there is more to be understood.
std::optional<CommandParser::Progress> CommandParser::line(std::string_view text) {
  const std::size_t longest = stage_ == Stage::kInline ? kLongestInline : kLongestHeader;
  const auto newline = text.find('\n', scanned_);
  const std::size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
  if (end - pos_ > longest) {
    pos_ += longest + 1;
    return Progress::kMalformed;
  }
  scanned_ = end;
  if (newline == std::string_view::npos) return Progress::kMore;
  if (stage_ == Stage::kInline) return inline_line(text, newline);
  const std::string_view whole = text.substr(pos_, newline - pos_);
  pos_ = end;
  const char sign = stage_ == Stage::kCount ? '*' : '$';
  if (whole.size() < 3 || whole.front() != sign || whole.back() != '\r') return Progress::kMalformed;
  return header(whole.substr(1, whole.size() - 2));
}

std::optional<CommandParser::Progress> CommandParser::header(std::string_view digits) {
  const auto number = parse_integer(digits);
  if (!number) return Progress::kMalformed;
  if (stage_ == Stage::kCount) {
    if (*number > kMostArguments) return Progress::kMalformed;
    if (*number <= 0) return Progress::kDone;  // the server passes it over
    left_ = static_cast<std::uint64_t>(*number);
    stage_ = Stage::kLength;
    return std::nullopt;
  }
  if (*number < 0) return Progress::kMalformed;
  bulk_ = static_cast<std::uint64_t>(*number);
  if (bulk_ > limit_ || pos_ + bulk_ > limit_) return Progress::kOversized;
  stage_ = Stage::kBulk;
  scanned_ = pos_ + bulk_ + 2;
  return std::nullopt;
}

// Words, or in quotes what may hold spaces. Quotes inside a word are refused: few clients write them, and how they are
// read differs.
CommandParser::Progress CommandParser::inline_line(std::string_view text, std::size_t end) {
  std::size_t at = pos_;
  pos_ = end + 1;
  if (std::memchr(text.data() + at, '\0', end - at) != nullptr) return Progress::kMalformed;
  while (true) {
    while (at < end && is_space(text[at])) ++at;
    if (at == end) return Progress::kDone;
    const char quote = text[at] == '"' || text[at] == '\'' ? text[at] : '\0';
    const std::size_t from = quote != '\0' ? ++at : at;
    while (at < end && (quote != '\0' ? text[at] != quote : !is_space(text[at]))) {
      if (quote == '\0' && (text[at] == '"' || text[at] == '\'')) return Progress::kMalformed;
      at += quote != '\0' && text[at] == '\\' && at + 1 < end ? 2 : 1;
    }
    if (quote != '\0' && at >= end) return Progress::kMalformed;
    keep(from, at - from);
    if (quote == '\0') continue;
    if (++at < end && !is_space(text[at])) return Progress::kMalformed;
  }
}

std::string_view take_command(std::string_view& bytes, CommandParser& parser) {
  parser.restart();
  if (parser.advance(bytes) != CommandParser::Progress::kDone) return {};
  const std::string_view command = bytes.substr(0, parser.size());
  bytes.remove_prefix(command.size());
  return command;
}

void name_command(const CommandParser& parser, std::string_view text, Named& named) {
  named.command = nullptr;
  named.name = {};
  const std::string_view word = parser.argument(text, 0);
  if (word.empty() || word.size() > kLongestName) return;
  char* end = named.buffer;
  append_upper(word, end);
  named.name = {named.buffer, word.size()};
  named.command = find_command(named.name);
  const std::string_view sub = parser.argument(text, 1);
  if (named.command == nullptr || !named.command->container || sub.empty() || sub.size() > kLongestName) return;
  *end++ = ' ';
  append_upper(sub, end);
  const std::string_view both(named.buffer, static_cast<std::size_t>(end - named.buffer));
  if (const Command* found = find_command(both); found != nullptr) {
    named.command = found;
    named.name = both;
  } else {
    named.command = nullptr;  // of the container only the name is known
  }
}

}  // namespace gnomon::protocol::resp
