#include "agent/protocol/redis/reply.h"

#include <algorithm>
#include <utility>

namespace gnomon::protocol::resp {
namespace {

constexpr std::size_t kDeepest = 128;
constexpr std::uint64_t kLargest = 1ull << 40;
constexpr std::size_t kLongestWord = 32;  // of an error; a longer one is cut

constexpr bool is_text(char type) {
  return type == '+' || type == '-' || type == ':' || type == '_' || type == '#' || type == ',' || type == '(';
}
constexpr bool is_bulk(char type) {
  return type == '$' || type == '!' || type == '=';
}
constexpr bool is_aggregate(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>' || type == '|';
}

}  // namespace

ReplyParser::Progress ReplyParser::advance(std::string_view& data) {
  while (!data.empty() && !broken_) {
    if (std::exchange(fresh_, false)) {
      error_ = in_word_ = false;
      outermost_ = 0;
      word_.clear();
    }
    std::size_t used = 1;
    bool ended = false;
    switch (stage_) {
      case Stage::kType:
        broken_ = !type(data.front());
        break;
      case Stage::kText: {
        const auto newline = data.find('\n');
        used = newline == std::string_view::npos ? data.size() : newline + 1;
        read_word(data.substr(0, used));
        if (newline == std::string_view::npos) break;
        stage_ = Stage::kType;
        ended = value_end();
        break;
      }
      case Stage::kNumber:
        broken_ = !number(data.front());
        ended = stage_ == Stage::kType && !broken_ && header_end();
        break;
      case Stage::kBulk:
        used = static_cast<std::size_t>(std::min<std::uint64_t>(number_, data.size()));
        number_ -= used;
        read_word(data.substr(0, used));
        if (number_ == 0) stage_ = Stage::kBulkEnd;
        break;
      case Stage::kBulkEnd:
        in_word_ = false;
        broken_ = data.front() != (return_ ? '\n' : '\r');
        if (std::exchange(return_, !return_) && !broken_) {
          stage_ = Stage::kType;
          ended = value_end();
        }
        break;
    }
    data.remove_prefix(used);
    if (ended && !broken_) return this->ended();
  }
  return broken_ ? Progress::kBroken : Progress::kMore;
}

ReplyParser::Progress ReplyParser::ended() {
  fresh_ = true;
  return outermost_ == '>' ? Progress::kPush : Progress::kReply;
}

// Of a bulk's value and the line end after it; not where the word of an error is looked for.
std::uint64_t ReplyParser::ahead() const {
  if (in_word_) return 0;
  if (stage_ == Stage::kBulk) return number_ + 2;
  return stage_ == Stage::kBulkEnd ? (return_ ? 1 : 2) : 0;
}

ReplyParser::Progress ReplyParser::skip(std::uint64_t bytes) {
  while (bytes > 0) {
    if (stage_ == Stage::kBulk) {
      const std::uint64_t here = std::min(bytes, number_);
      number_ -= here;
      bytes -= here;
      if (number_ == 0) stage_ = Stage::kBulkEnd;
      continue;
    }
    --bytes;
    if (!std::exchange(return_, !return_)) continue;
    stage_ = Stage::kType;
    if (value_end()) return ended();
  }
  return Progress::kMore;
}

std::optional<std::uint64_t> ReplyParser::left() const {
  const bool last = std::ranges::all_of(open_, [](const Aggregate& of) { return of.left == 1 && of.type != '|'; });
  return ahead() > 0 && last ? std::optional(ahead()) : std::nullopt;
}

// The word that begins an error's text, however it comes.
void ReplyParser::read_word(std::string_view text) {
  if (!in_word_) return;
  const auto end = text.find_first_of(" \r\n");
  word_.append(text.substr(0, std::min(end, kLongestWord - word_.size())));
  in_word_ = end == std::string_view::npos;
}

bool ReplyParser::type(char byte) {
  type_ = byte;
  if (open_.empty() && byte != '|') outermost_ = byte;
  if (byte == '-' || byte == '!') in_word_ = !std::exchange(error_, true);
  if (is_text(byte)) {
    stage_ = Stage::kText;
    return true;
  }
  stage_ = Stage::kNumber;
  number_ = 0;
  negative_ = digits_ = return_ = false;
  // A push stands alone, and no more attributes come between attributes and their value.
  if (byte == '>' && (!open_.empty() || attributed_)) return false;
  if (byte == '|' && attributed_) return false;
  return is_bulk(byte) || is_aggregate(byte);
}

// A byte of a length's line; at its end the stage is kType again. False: it is no length.
bool ReplyParser::number(char byte) {
  if (return_) {
    stage_ = Stage::kType;
    return byte == '\n';
  }
  if (byte == '\r') {
    return_ = true;
    return digits_ && (!negative_ || number_ == 1);
  }
  if (byte == '-' && !digits_ && !negative_) return negative_ = true;
  if (byte < '0' || byte > '9' || number_ > kLargest) return false;
  digits_ = true;
  number_ = number_ * 10 + static_cast<std::uint64_t>(byte - '0');
  return true;
}

// A length is whole. True: so is a reply.
bool ReplyParser::header_end() {
  return_ = false;
  if (negative_) {  // null
    broken_ = type_ != '$' && type_ != '*';
    return value_end();
  }
  if (is_bulk(type_)) {
    stage_ = number_ == 0 ? Stage::kBulkEnd : Stage::kBulk;
    return false;
  }
  const std::uint64_t values = type_ == '%' || type_ == '|' ? 2 * number_ : number_;
  if (values > 0) {
    open_.push_back({values, type_});
    broken_ = open_.size() > kDeepest;
    return false;
  }
  attributed_ = attributed_ || type_ == '|';
  return type_ != '|' && value_end();
}

bool ReplyParser::value_end() {
  attributed_ = false;
  while (!open_.empty()) {
    if (--open_.back().left > 0) return false;
    const char type = open_.back().type;
    open_.pop_back();
    if (type == '|') {
      attributed_ = true;
      return false;
    }
  }
  return true;
}

}  // namespace gnomon::protocol::resp
