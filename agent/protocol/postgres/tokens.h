#pragma once
// SQL text as PostgreSQL's scanner sees it, as far as telling statements apart needs.

#include <array>
#include <string_view>

namespace gnomon::protocol::pg {

struct Token {
  enum class Kind { kEnd, kWord, kQuoted, kLiteral, kSymbol };
  Kind kind = Kind::kEnd;
  std::string_view text;  // of a quoted identifier or a literal string without its quotes
  std::string_view word;  // a word in lower case, until the next token is read; empty for anything else
  char symbol = 0;        // one character of an operator or bracket
};

// Comments are skipped; strings (plain, E'', U&'', B'', X'', dollar-quoted) are one token each. Supposes
// standard_conforming_strings and an encoding in which no ASCII byte is part of a longer character.
class Tokens {
 public:
  explicit Tokens(std::string_view sql) : at_(sql.data()), end_(sql.data() + sql.size()) {}
  Token next();
  const char* position() const { return at_; }
  // A string, comment or identifier is not closed: the server refuses the whole text.
  bool broken() const { return broken_; }
  // The first character after spaces and comments; 0 at the end.
  char peek() {
    skip_blank();
    return at_ == end_ ? '\0' : *at_;
  }

 private:
  void skip_blank();
  void skip_comment();
  Token word();
  Token quoted(char quote, bool escapes, Token::Kind kind);
  Token dollar();

  const char* at_;
  const char* end_;
  bool broken_ = false;
  std::array<char, 64> lower_;  // an identifier has no more than 63 bytes that count
};

}  // namespace gnomon::protocol::pg
