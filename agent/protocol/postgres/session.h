#pragma once
// What a connection's messages have made of its session, and of the unit under way. The framer keeps it for
// production's connection; a client works out from it what its own lacks.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "agent/protocol/postgres/message.h"
#include "agent/protocol/postgres/statement.h"

namespace gnomon::protocol::pg {

// Of the messages since the last boundary.
struct Unit {
  bool write = false;
  bool unreplayable = false;                 // it makes the connection one that is not replayed
  bool brings_unnamed = false;               // it parses the unnamed statement
  bool lacks_unnamed = false;                // … and binds it, without having parsed it
  std::uint32_t copies = 0;                  // COPY FROM STDIN that it executes
  std::shared_ptr<const Statement> first;    // executed, transaction control left out
  std::shared_ptr<const Statement> control;  // the first of that
  std::shared_ptr<const Statement> parsed;   // the first parsed
  std::string endpoint() const;
};

class Session {
 public:
  // Takes one message of the client's into account. False: it is malformed, or names what the connection has not.
  bool take(const Message& message, Unit& unit);
  bool in_transaction() const { return in_transaction_; }
  // Between units: portals are gone.
  void end_unit() { portals_.clear(); }
  // Whether settings or named statements have changed since the last call.
  bool take_changed() { return std::exchange(changed_, false); }
  std::size_t bytes() const { return bytes_; }
  // The unnamed statement's Parse message; empty: there is none.
  const std::string& unnamed() const { return unnamed_; }

  // Appends messages that put a fresh session into this state; as many are answered by ReadyForQuery as it returns.
  std::uint32_t append_to(std::string& out) const { return append_difference(Session(), out); }
  // … that put a session from the state `from` into this one.
  std::uint32_t append_difference(const Session& from, std::string& out) const;

 private:
  using StatementPtr = std::shared_ptr<const Statement>;
  struct Prepared {
    std::string message;  // Parse; by SQL the body of a Query with its PREPARE
    StatementPtr statement;
    bool by_sql = false;
  };
  bool query(std::string_view body, Unit& unit);
  bool parse(const Message& message, Unit& unit);
  bool bind(std::string_view body, Unit& unit);
  bool execute(std::string_view body, Unit& unit);
  bool describe(std::string_view body, Unit& unit);
  bool close(std::string_view body);
  void run(const StatementPtr& statement, Unit& unit);
  void change_session(const Statement& statement);
  void set(const std::string& name, const std::string& text);
  void prepare(const std::string& name, Prepared prepared);
  void forget(const std::string& name);
  void forget_all();

  bool in_transaction_ = false, read_only_ = false, changed_ = false;
  std::size_t bytes_ = 0;
  std::vector<std::pair<std::string, std::string>> settings_;  // name and the last statement that set it, in order
  std::vector<std::pair<std::string, std::string>> uncommitted_;
  std::unordered_map<std::string, Prepared> statements_;
  std::string unnamed_;
  StatementPtr unnamed_statement_;
  std::vector<std::pair<std::string, StatementPtr>> portals_;
};

}  // namespace gnomon::protocol::pg
