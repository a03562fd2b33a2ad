#include "agent/protocol/postgres/tokens.h"

#include <algorithm>
#include <cstddef>

namespace gnomon::protocol::pg {
namespace {

constexpr bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
constexpr bool continues_word(char c) {
  return begins_word(c) || is_digit(c) || c == '$';
}

std::string_view between(const char* from, const char* to) {
  return {from, static_cast<std::size_t>(to - from)};
}

}  // namespace

void Tokens::skip_comment() {  // they nest
  std::size_t depth = 0;
  do {
    if (end_ - at_ < 2) {
      at_ = end_;
      broken_ = true;
      return;
    }
    const bool opens = at_[0] == '/' && at_[1] == '*', closes = at_[0] == '*' && at_[1] == '/';
    if (opens) ++depth;
    if (closes) --depth;
    at_ += opens || closes ? 2 : 1;
  } while (depth > 0);
}

void Tokens::skip_blank() {
  while (at_ != end_) {
    if (is_blank(*at_)) {
      ++at_;
    } else if (end_ - at_ >= 2 && at_[0] == '-' && at_[1] == '-') {
      at_ = std::find_if(at_, end_, [](char c) { return c == '\n' || c == '\r'; });
    } else if (end_ - at_ >= 2 && at_[0] == '/' && at_[1] == '*') {
      skip_comment();
    } else {
      return;
    }
  }
}

// From the opening quote.
Token Tokens::quoted(char quote, bool escapes, Token::Kind kind) {
  const char* const begin = ++at_;
  for (; at_ != end_; ++at_) {
    if (escapes && *at_ == '\\') {
      if (++at_ == end_) break;
      continue;
    }
    if (*at_ != quote) continue;
    if (end_ - at_ >= 2 && at_[1] == quote) {
      ++at_;
      continue;
    }
    const Token token{.kind = kind, .text = between(begin, at_)};
    ++at_;
    return token;
  }
  broken_ = true;
  return {.kind = kind, .text = between(begin, at_)};
}

// $1, $$text$$, $tag$text$tag$, or a lone dollar.
Token Tokens::dollar() {
  const char* const begin = at_++;
  if (at_ != end_ && is_digit(*at_)) {
    at_ = std::find_if_not(at_, end_, is_digit);
    return {.kind = Token::Kind::kLiteral, .text = between(begin, at_)};
  }
  const char* tag_end = at_;
  if (tag_end != end_ && begins_word(*tag_end))
    tag_end = std::find_if(at_, end_, [](char c) { return !begins_word(c) && !is_digit(c); });
  if (tag_end == end_ || *tag_end != '$') return {.kind = Token::Kind::kSymbol, .symbol = '$'};
  const std::string_view tag = between(begin, tag_end + 1), rest = between(tag_end + 1, end_);
  const auto closing = rest.find(tag);
  broken_ = broken_ || closing == std::string_view::npos;
  const std::string_view text = rest.substr(0, closing);
  at_ = closing == std::string_view::npos ? end_ : text.data() + text.size() + tag.size();
  return {.kind = Token::Kind::kLiteral, .text = text};
}

Token Tokens::word() {
  const char* const begin = at_;
  at_ = std::find_if_not(at_, end_, continues_word);
  const std::string_view text = between(begin, at_);
  if (text.size() == 1 && at_ != end_) {
    const char prefix = static_cast<char>(text[0] | 0x20);
    if (*at_ == '\'' && (prefix == 'e' || prefix == 'b' || prefix == 'x' || prefix == 'n'))
      return quoted('\'', prefix == 'e', Token::Kind::kLiteral);
    if (*at_ == '&' && prefix == 'u' && end_ - at_ >= 2 && (at_[1] == '\'' || at_[1] == '"')) {
      ++at_;
      return quoted(*at_, false, *at_ == '"' ? Token::Kind::kQuoted : Token::Kind::kLiteral);
    }
  }
  const std::size_t size = std::min(text.size(), lower_.size() - 1);
  for (std::size_t i = 0; i < size; ++i)
    lower_[i] = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] | 0x20) : text[i];
  return {.kind = Token::Kind::kWord, .text = text, .word = {lower_.data(), size}};
}

Token Tokens::next() {
  skip_blank();
  if (at_ == end_) return {};
  const char c = *at_;
  if (begins_word(c)) return word();
  if (c == '\'') return quoted('\'', false, Token::Kind::kLiteral);
  if (c == '"') return quoted('"', false, Token::Kind::kQuoted);
  if (c == '$') return dollar();
  if (is_digit(c)) {  // 12, 1.5, 0x1f, 1e5: where exactly it ends matters to nobody here
    const char* const begin = at_;
    at_ = std::find_if_not(at_, end_, [](char d) { return is_digit(d) || d == '.' || continues_word(d); });
    return {.kind = Token::Kind::kLiteral, .text = between(begin, at_)};
  }
  ++at_;
  return {.kind = Token::Kind::kSymbol, .symbol = c};
}

}  // namespace gnomon::protocol::pg
