#include "agent/protocol/redis/reply.h"

#include <algorithm>
#include <utility>

namespace gnomon::protocol::resp {
namespace {

constexpr std::size_t kDeepest = 128;
constexpr std::uint64_t kLargest = 1ull << 40;

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
      error_ = false;
      size_ = 0;
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
        if (number_ == 0) stage_ = Stage::kBulkEnd;
        break;
      case Stage::kBulkEnd:
        broken_ = data.front() != (return_ ? '\n' : '\r');
        if (std::exchange(return_, !return_) && !broken_) {
          stage_ = Stage::kType;
          ended = value_end();
        }
        break;
    }
    data.remove_prefix(used);
    size_ += used;
    if (!ended || broken_) continue;
    fresh_ = true;
    return outermost_ == '>' ? Progress::kPush : Progress::kReply;
  }
  return broken_ ? Progress::kBroken : Progress::kMore;
}

bool ReplyParser::type(char byte) {
  type_ = byte;
  if (open_.empty() && byte != '|') outermost_ = byte;
  if (byte == '-' || byte == '!') error_ = true;
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
