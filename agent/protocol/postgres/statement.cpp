#include "agent/protocol/postgres/statement.h"

#include <algorithm>
#include <cstdint>

#include "agent/protocol/postgres/tokens.h"
#include "agent/protocol/postgres/words.h"

namespace gnomon::protocol::pg {
namespace {

using Kind = Statement::Kind;

std::string folded(const Token& token) {
  return std::string(token.kind == Token::Kind::kWord ? token.word : token.text);
}

bool is_name(const Token& token) {
  return token.kind == Token::Kind::kWord || token.kind == Token::Kind::kQuoted;
}

bool one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// One statement's reader: its tokens up to a semicolon outside parentheses.
class Reader {
 public:
  Reader(std::string_view sql, Statement& statement) : tokens_(sql), statement_(statement), begin_(sql.data()) {}

  void read() {
    advance();
    while (is('(')) advance();  // (SELECT …) UNION …
    if (ended_) {
      statement_.kind = tokens_.broken() ? Kind::kOrdinary : Kind::kEmpty;
      return finish();
    }
    const std::string verb(token_.word);
    statement_.endpoint = is_verb(verb) ? verb : "other";
    for (char& c : statement_.endpoint) c = static_cast<char>(c - 0x20);
    dispatch(verb);
    finish();
    if (!relation_.empty()) statement_.endpoint.append(" ").append(relation_);
  }
  const char* position() const { return tokens_.position(); }

 private:
  void advance();
  void finish();
  bool is(char symbol) const { return token_.kind == Token::Kind::kSymbol && token_.symbol == symbol; }
  bool is(std::string_view word) const { return token_.kind == Token::Kind::kWord && token_.word == word; }
  bool skip(std::string_view word) {
    if (!is(word)) return false;
    advance();
    return true;
  }
  void dispatch(std::string_view verb);
  bool transaction(std::string_view verb);
  bool session(std::string_view verb);
  void mode();
  void set();
  void reset();
  void prepare();
  void query();
  void word_of_query();
  void copy();
  void explain();
  void declare();
  void write();
  void relation();
  void keep_text() { keep_text_ = true; }

  Tokens tokens_;
  Statement& statement_;
  const char* const begin_;
  Token token_;
  bool ended_ = false;
  bool keep_text_ = false;
  const char* text_end_ = nullptr;
  std::string relation_;
  std::size_t depth_ = 0;
  std::uint64_t call_depths_ = 0;  // which open parentheses are of calls: FROM there belongs to EXTRACT and its like
  bool call_next_ = false;         // the next parenthesis is
  bool after_distinct_ = false;    // IS DISTINCT FROM
};

void Reader::advance() {
  if (ended_) return;
  text_end_ = tokens_.position();
  token_ = tokens_.next();
  if (is('(')) {
    if (depth_ < 64) {
      const std::uint64_t bit = std::uint64_t{1} << depth_;
      call_depths_ = call_next_ ? call_depths_ | bit : call_depths_ & ~bit;
    }
    ++depth_;
  } else if (is(')') && depth_ > 0) {
    --depth_;
  }
  call_next_ = false;
  ended_ = token_.kind == Token::Kind::kEnd || (is(';') && depth_ == 0);
}

void Reader::finish() {
  while (!ended_) advance();
  if (tokens_.broken()) statement_.write = true;
  if (keep_text_) statement_.text.assign(begin_, text_end_);
}

void Reader::dispatch(std::string_view verb) {
  if (transaction(verb) || session(verb)) return;
  if (one_of(verb, {"select", "with", "values"})) return query();
  if (verb == "table") {
    advance();
    relation();
    return query();
  }
  if (verb == "explain") return explain();
  if (verb == "copy") return copy();
  if (verb == "declare") return declare();
  if (one_of(verb, {"show", "fetch", "move", "close"})) return;
  write();
}

bool Reader::transaction(std::string_view verb) {
  if (verb == "savepoint" || verb == "release") return true;
  if (verb == "begin" || verb == "start") {
    statement_.kind = Kind::kBegin;
  } else if (one_of(verb, {"commit", "end", "rollback", "abort"})) {
    const bool back = verb == "rollback" || verb == "abort";
    statement_.kind = back ? Kind::kRollback : Kind::kCommit;
    advance();
    if (is("prepared")) {
      statement_.kind = Kind::kOrdinary;
      statement_.write = true;
      return true;
    }
    bool chain = false;
    for (; !ended_; advance()) {
      if (back && is("to")) statement_.kind = Kind::kOrdinary;  // a savepoint
      if (is("no")) return true;
      chain = chain || is("chain");
    }
    if (chain) statement_.kind = Kind::kChain;
    return true;
  } else {
    return false;
  }
  mode();
  return true;
}

bool Reader::session(std::string_view verb) {
  if (verb == "set") {
    set();
  } else if (verb == "reset") {
    reset();
  } else if (verb == "prepare") {
    prepare();
  } else if (verb == "discard") {
    advance();
    if (is("all")) statement_.kind = Kind::kDiscardAll;
  } else if (verb == "deallocate") {
    advance();
    skip("prepare");
    statement_.kind = is("all") ? Kind::kDeallocateAll : Kind::kDeallocate;
    statement_.name = folded(token_);
  } else if (verb == "execute") {
    advance();
    statement_.kind = Kind::kExecute;
    statement_.name = folded(token_);
    query();  // its arguments are expressions
  } else if (verb == "listen") {
    statement_.kind = Kind::kUnreplayable;
  } else {
    return verb == "unlisten";
  }
  return true;
}

// Of a transaction.
void Reader::mode() {
  for (std::string before; !ended_; advance()) {
    if (before == "read" && is("only")) statement_.read_only = true;
    if (before == "read" && is("write")) statement_.read_write = true;
    before = token_.word;
  }
}

void Reader::set() {
  advance();
  if (is("local")) return;  // ends with its transaction
  if (is("transaction")) {
    statement_.kind = Kind::kMode;
    return mode();
  }
  if (is("constraints")) return;
  skip("session");
  if (!is_name(token_)) return;
  statement_.kind = Kind::kSet;
  keep_text();
  statement_.name = folded(token_);
  if (statement_.name == "time") statement_.name = "timezone";
  if (statement_.name == "names") statement_.name = "client_encoding";
  advance();
  while (is('.')) {
    advance();
    statement_.name.append(".").append(folded(token_));
    advance();
  }
  if (is('=') || is("to")) advance();
  const std::string value = folded(token_);
  if (statement_.name == "standard_conforming_strings" && !one_of(value, {"on", "true", "yes", "1", "default"}))
    statement_.kind = Kind::kUnreplayable;
  if (statement_.name == "client_encoding" && hides_ascii(value)) statement_.kind = Kind::kUnreplayable;
}

void Reader::reset() {
  advance();
  if (is("all")) {
    statement_.kind = Kind::kResetAll;
    return;
  }
  skip("session");
  statement_.kind = Kind::kSet;
  keep_text();
  statement_.name = is("time") ? "timezone" : folded(token_);
  for (advance(); is('.'); advance()) {
    advance();
    statement_.name.append(".").append(folded(token_));
  }
}

void Reader::prepare() {
  advance();
  if (is("transaction")) {  // ends this one; what becomes of it is decided elsewhere
    statement_.kind = Kind::kCommit;
    statement_.write = true;
    return;
  }
  const std::string name = folded(token_);
  while (!ended_ && !(depth_ == 0 && is("as"))) advance();
  advance();
  const std::string verb(token_.word);
  dispatch(verb);
  statement_.kind = Kind::kPrepare;
  statement_.name = name;
  keep_text();
}

// SELECT, VALUES, TABLE, WITH, or expressions: a read unless a word or a call says otherwise.
void Reader::query() {
  for (; !ended_; advance()) {
    if (token_.kind == Token::Kind::kWord) {
      word_of_query();
    } else if (token_.kind == Token::Kind::kQuoted && tokens_.peek() == '(') {
      statement_.calls_unknown = true;
    }
  }
}

void Reader::word_of_query() {
  const std::string_view word = token_.word;
  const bool after_distinct = after_distinct_;
  after_distinct_ = word == "distinct";
  if (one_of(word, {"into", "insert", "update", "delete", "merge"})) {  // FOR UPDATE and writing CTEs among them
    statement_.write = true;
    return;
  }
  if (word == "for") {
    Tokens ahead = tokens_;
    const Token next = ahead.next();
    statement_.write = statement_.write || one_of(next.word, {"share", "no", "key"});
  }
  const bool in_call = depth_ > 0 && depth_ <= 64 && ((call_depths_ >> (depth_ - 1)) & 1) != 0;
  if (word == "from" && !after_distinct && !in_call && relation_.empty()) {
    Tokens ahead = tokens_;
    Token next = ahead.next();
    while (next.word == "only" || next.word == "lateral") next = ahead.next();
    if (is_name(next)) {
      advance();
      relation();
      if (!ended_ && token_.kind == Token::Kind::kWord) word_of_query();
    }
    return;
  }
  if (tokens_.peek() != '(' || is_keyword_before_parenthesis(word)) return;
  call_next_ = true;
  if (is_harmless_function(word)) return;
  // WITH t (…) AS is no call; nor is AS t (…), but either of them looks like one, and a write is the safe reading.
  statement_.calls_unknown = true;
  if (word.starts_with("pg_") || word.starts_with("lo_") || word.starts_with("dblink")) statement_.write = true;
}

// The name at the cursor, its schema left out: where schemas are tenants they are many.
void Reader::relation() {
  while (is("only") || is("lateral")) advance();
  while (is_name(token_) && !ended_) {
    if (tokens_.peek() != '.') {
      relation_ = relation_class(folded(token_));
      if (tokens_.peek() == '(' && token_.kind == Token::Kind::kQuoted) statement_.calls_unknown = true;
      return;
    }
    advance();
    advance();
  }
}

void Reader::copy() {
  advance();
  skip("binary");
  if (is('(')) {
    bool to_client = false;
    while (!ended_ && depth_ > 0) {
      advance();
      if (token_.kind == Token::Kind::kWord) word_of_query();
    }
    for (; !ended_; advance()) to_client = to_client || is("stdout");
    if (!to_client) statement_.write = true;
    return;
  }
  relation();
  bool to = false, standard = false, from = false;
  for (; !ended_; advance()) {
    if (!to && !from) {
      to = is("to");
      from = is("from");
      continue;
    }
    standard = standard || is("stdout") || is("stdin");
    if (is("program")) statement_.write = true;
    if (standard) break;
    if (token_.kind == Token::Kind::kLiteral) break;  // a file
  }
  if (!to || !standard) statement_.write = true;
  if (from && standard) statement_.kind = Kind::kCopyIn;
}

void Reader::explain() {
  advance();
  for (; !ended_; advance()) {
    if (is("analyze") || is("analyse")) statement_.write = true;
    if (is("from") && relation_.empty()) {
      advance();
      relation();
    }
  }
}

void Reader::declare() {
  while (!ended_ && !is("for")) {
    if (is("hold"))
      statement_.write = true;  // WITH HOLD outlives its transaction; WITHOUT HOLD is not worth telling apart
    advance();
  }
  advance();
  query();
}

// Whatever else: a write. Its relation follows one of these words.
void Reader::write() {
  statement_.write = true;
  bool previous_begin = false;
  for (; !ended_; advance()) {
    if (token_.kind != Token::Kind::kWord) continue;
    if (previous_begin && is("atomic")) {  // a body of statements, each with its semicolon: the rest of the text is its
      while (token_.kind != Token::Kind::kEnd) token_ = tokens_.next();
      text_end_ = tokens_.position();
      ended_ = true;
      return;
    }
    previous_begin = is("begin");
    if (relation_.empty() && (is("into") || is("update") || is("from") || is("lock") || is("truncate"))) {
      advance();
      skip("table");
      relation();
    }
  }
}

}  // namespace

bool take_statement(std::string_view& sql, Statement& statement) {
  if (sql.empty()) return false;
  statement = {};
  Reader reader(sql, statement);
  reader.read();
  sql.remove_prefix(static_cast<std::size_t>(reader.position() - sql.data()));
  return true;
}

}  // namespace gnomon::protocol::pg
