#include "agent/protocol/postgres/session.h"

#include <algorithm>

namespace gnomon::protocol::pg {
namespace {

using Kind = Statement::Kind;

// A longer one is not kept for later units; binding it again without a Parse is then refused.
constexpr std::size_t kLongestUnnamed = 64u << 10;
// Portals live until their transaction ends.
constexpr std::size_t kMostPortals = 64;

std::string query_body(std::string_view text) {
  std::string body(text);
  body += '\0';
  return body;
}

// The statement that takes back what was set by this name.
std::string reset(const std::string& name) {
  if (name == "authorization") return "RESET SESSION AUTHORIZATION";
  if (name == "characteristics")
    return "RESET default_transaction_isolation; RESET default_transaction_read_only; "
           "RESET default_transaction_deferrable";
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  return plain ? "RESET " + name : "RESET \"" + name + "\"";
}

}  // namespace

std::string Unit::endpoint() const {
  if (first && control && control->kind == Kind::kBegin) return "BEGIN " + first->endpoint;
  if (first) return first->endpoint;
  if (control) return control->endpoint;
  if (parsed) return "PREPARE " + parsed->endpoint;
  return "SYNC";
}

bool Session::take(const Message& message, Unit& unit) {
  switch (message.type) {
    case 'Q':
      return query(message.body, unit);
    case 'P':
      return parse(message, unit);
    case 'B':
      return bind(message.body, unit);
    case 'E':
      return execute(message.body, unit);
    case 'D':
      return describe(message.body, unit);
    case 'C':
      return close(message.body);
    case 'F':  // a function by its number: it may be any
      unit.write = true;
      return message.body.size() >= 4;
    case 'S':
    case 'H':
    case 'c':
      return message.body.empty();
    default:  // d, f
      return true;
  }
}

bool Session::query(std::string_view body, Unit& unit) {
  std::optional<std::string_view> sql = take_text(body);
  if (!sql || !body.empty()) return false;
  unnamed_.clear();
  unnamed_statement_.reset();
  auto statement = std::make_shared<Statement>();
  while (take_statement(*sql, *statement)) {
    if (statement->kind == Kind::kEmpty) continue;
    run(statement, unit);
    if (!sql->empty()) statement = std::make_shared<Statement>();
  }
  return true;
}

bool Session::parse(const Message& message, Unit& unit) {
  std::string_view body = message.body;
  const auto name = take_text(body);
  auto sql = take_text(body);
  if (!name || !sql || body.size() < 2) return false;
  const std::size_t types =
      static_cast<std::size_t>(static_cast<unsigned char>(body[0])) << 8 | static_cast<unsigned char>(body[1]);
  if (body.size() != 2 + 4 * types) return false;
  auto statement = std::make_shared<Statement>();
  take_statement(*sql, *statement);
  if (!unit.parsed) unit.parsed = statement;
  if (!name->empty()) {
    prepare(std::string(*name), {std::string(message.bytes), std::move(statement), /*by_sql=*/false});
    return true;
  }
  unit.brings_unnamed = true;
  unnamed_statement_ = std::move(statement);
  if (message.bytes.size() <= kLongestUnnamed) {
    unnamed_.assign(message.bytes);
  } else {
    unnamed_.clear();
  }
  return true;
}

bool Session::bind(std::string_view body, Unit& unit) {
  const auto portal = take_text(body);
  const auto name = take_text(body);
  if (!portal || !name || body.size() < 6) return false;
  StatementPtr statement;
  if (!name->empty()) {
    const auto found = statements_.find(std::string(*name));
    if (found != statements_.end()) statement = found->second.statement;
  } else {
    statement = unnamed_statement_;
    if (statement && !unit.brings_unnamed) {
      if (unnamed_.empty()) return false;
      unit.lacks_unnamed = true;
    }
  }
  const auto found = std::find_if(portals_.begin(), portals_.end(), [&](const auto& p) { return p.first == *portal; });
  if (found != portals_.end()) {
    found->second = std::move(statement);
  } else {
    if (portals_.size() == kMostPortals) return false;
    portals_.emplace_back(*portal, std::move(statement));
  }
  return true;
}

bool Session::execute(std::string_view body, Unit& unit) {
  const auto portal = take_text(body);
  if (!portal || body.size() != 4) return false;
  const auto found = std::find_if(portals_.begin(), portals_.end(), [&](const auto& p) { return p.first == *portal; });
  if (found != portals_.end() && found->second) {
    run(found->second, unit);
  } else {
    unit.write = true;  // a cursor's, or one that is not known: an error, unless something was missed
  }
  return true;
}

bool Session::describe(std::string_view body, Unit& unit) {
  if (body.empty() || (body[0] != 'S' && body[0] != 'P')) return false;
  const bool statement = body[0] == 'S';
  body.remove_prefix(1);
  const auto name = take_text(body);
  if (!name || !body.empty()) return false;
  if (statement && name->empty() && !unit.brings_unnamed && unnamed_statement_) {
    if (unnamed_.empty()) return false;
    unit.lacks_unnamed = true;
  }
  return true;
}

bool Session::close(std::string_view body) {
  if (body.empty() || (body[0] != 'S' && body[0] != 'P')) return false;
  const bool statement = body[0] == 'S';
  body.remove_prefix(1);
  const auto name = take_text(body);
  if (!name || !body.empty()) return false;
  if (!statement) {
    std::erase_if(portals_, [&](const auto& portal) { return portal.first == *name; });
  } else if (name->empty()) {
    unnamed_.clear();
    unnamed_statement_.reset();
  } else {
    forget(std::string(*name));
  }
  return true;
}

void Session::run(const StatementPtr& statement, Unit& unit) {
  StatementPtr what = statement;
  if (what->kind == Kind::kExecute) {
    const auto found = statements_.find(what->name);
    unit.write = unit.write || what->write || (what->calls_unknown && !read_only_) || found == statements_.end();
    if (found != statements_.end()) what = found->second.statement;
  }
  if (statement->kind != Kind::kPrepare) unit.write = unit.write || what->write || (what->calls_unknown && !read_only_);
  auto& slot = statement->bounds_transaction() ? unit.control : unit.first;
  if (!slot) slot = what;
  switch (statement->kind) {
    case Kind::kBegin:
      read_only_ = in_transaction_ ? read_only_ : statement->read_only;
      in_transaction_ = true;
      break;
    case Kind::kMode:
      if (in_transaction_) read_only_ = (read_only_ || statement->read_only) && !statement->read_write;
      break;
    case Kind::kCommit:
      in_transaction_ = read_only_ = false;
      for (const auto& [name, text] : std::exchange(uncommitted_, {})) set(name, text);
      break;
    case Kind::kRollback:
      in_transaction_ = read_only_ = false;
      uncommitted_.clear();
      break;
    case Kind::kCopyIn:
      ++unit.copies;
      break;
    case Kind::kUnreplayable:
      unit.unreplayable = true;
      break;
    case Kind::kPrepare:
      prepare(statement->name, {query_body(statement->text), statement, /*by_sql=*/true});
      break;
    default:
      change_session(*statement);
      break;
  }
}

void Session::change_session(const Statement& statement) {
  switch (statement.kind) {
    case Kind::kSet:
      if (in_transaction_) {
        uncommitted_.emplace_back(statement.name, statement.text);
      } else {
        set(statement.name, statement.text);
      }
      break;
    case Kind::kDiscardAll:
      forget_all();
      for (auto& [name, text] : settings_) set(std::string(name), reset(name));
      break;
    case Kind::kResetAll:
      for (auto& [name, text] : settings_)
        if (name != "role" && name != "authorization") set(std::string(name), reset(name));
      break;
    case Kind::kDeallocate:
      forget(statement.name);
      break;
    case Kind::kDeallocateAll:
      forget_all();
      break;
    default:
      break;
  }
}

void Session::set(const std::string& name, const std::string& text) {
  const auto found = std::find_if(settings_.begin(), settings_.end(), [&](const auto& s) { return s.first == name; });
  if (found == settings_.end()) {
    settings_.emplace_back(name, text);
    bytes_ += name.size() + text.size();
  } else {
    if (found->second == text) return;
    bytes_ += text.size() - found->second.size();
    found->second = text;
  }
  changed_ = true;
}

void Session::prepare(const std::string& name, Prepared prepared) {
  forget(name);
  bytes_ += name.size() + prepared.message.size();
  statements_[name] = std::move(prepared);
  changed_ = true;
}

void Session::forget(const std::string& name) {
  const auto found = statements_.find(name);
  if (found == statements_.end()) return;
  bytes_ -= name.size() + found->second.message.size();
  statements_.erase(found);
  changed_ = true;
}

void Session::forget_all() {
  while (!statements_.empty()) forget(std::string(statements_.begin()->first));
}

std::uint32_t Session::append_difference(const Session& from, std::string& out) const {
  std::uint32_t replies = 0;
  for (const auto& setting : settings_) {
    if (std::find(from.settings_.begin(), from.settings_.end(), setting) != from.settings_.end()) continue;
    append_message(out, 'Q', query_body(setting.second));
    ++replies;
  }
  const auto sync = [&] {
    append_message(out, 'S', {});
    ++replies;
  };
  for (const auto& [name, prepared] : from.statements_) {
    const auto kept = statements_.find(name);
    if (kept != statements_.end() && kept->second.message == prepared.message) continue;
    append_message(out, 'C', "S" + query_body(name));
    sync();
  }
  for (const auto& [name, prepared] : statements_) {
    const auto had = from.statements_.find(name);
    if (had != from.statements_.end() && had->second.message == prepared.message) continue;
    // Each with its own Sync: where one fails, the others shall not.
    if (prepared.by_sql) {
      append_message(out, 'Q', prepared.message);
      ++replies;
    } else {
      out += prepared.message;
      sync();
    }
  }
  return replies;
}

}  // namespace gnomon::protocol::pg
