#include "agent/protocol/postgres/client.h"

#include <algorithm>

namespace gnomon::protocol::pg {
namespace {

// Units sent ahead wait at the service, as they do when an application's own do; further ones open a connection, each
// of which is a process there.
constexpr std::size_t kConcurrency = 64;
constexpr std::size_t kLargestKept = 64u << 10;  // of an authentication request

std::string_view startup_of(std::string_view prelude) {
  if (prelude.size() < 8) return {};
  const std::uint32_t length = read_u32(prelude);
  return length < 8 || length > prelude.size() ? std::string_view() : prelude.substr(0, length);
}

void take_all(std::string_view messages, Session& session) {
  Unit unit;
  while (const auto message = take_message(messages)) session.take(*message, unit);
  session.end_unit();
}

void append_text(std::string& out, char type, std::string text) {
  text += '\0';
  append_message(out, type, text);
}

}  // namespace

void PostgresClient::start(const Request& first, std::string& out) {
  const std::string_view startup = first.prelude ? startup_of(*first.prelude) : std::string_view();
  std::string_view parameters = startup.substr(std::min<std::size_t>(startup.size(), 8));
  while (const auto name = take_text(parameters)) {
    const auto value = take_text(parameters);
    if (*name == "user" && value) user_ = *value;
  }
  out += startup;
}

std::size_t PostgresClient::concurrency() const {
  return kConcurrency;
}

void PostgresClient::send(const Request& request, std::uint64_t tag, std::string& out) {
  std::string& to = ready_ ? out : waiting_;
  if (const std::uint32_t replies = make_up(request.prelude, to); replies > 0)
    expected_.push_back({.replies = replies, .own = true});
  to += *request.bytes;
  last_ = request.bytes;
  expected_.push_back({.tag = tag, .sum = UnitSum(keep_), .replies = request.replies});
}

// What the unit's prelude says and this connection's session has not. As long as preludes stay the same, no unit
// between has changed anything, sent or not.
std::uint32_t PostgresClient::make_up(const Text& prelude, std::string& out) {
  if (prelude == prelude_) return 0;
  if (last_) take_all(*last_, session_);
  Session target;
  if (prelude) take_all(std::string_view(*prelude).substr(startup_of(*prelude).size()), target);
  const std::uint32_t replies = target.append_difference(session_, out);
  session_ = std::move(target);
  prelude_ = prelude;
  return replies;
}

bool PostgresClient::receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) {
  std::string_view rest(reinterpret_cast<const char*>(data.data()), data.size());
  while (true) {
    switch (reader_.next(rest)) {
      case MessageReader::Event::kMore:
        return true;
      case MessageReader::Event::kBegin:
        if (!begin_message()) return false;
        break;
      case MessageReader::Event::kPiece:
        if (kept_) body_.append(reader_.piece());
        if (!expected_.empty() && ready_) expected_.front().sum.piece(reader_.piece());
        break;
      case MessageReader::Event::kEnd:
        if (!end_message(answers, out)) return false;
        break;
      case MessageReader::Event::kBroken:
        return false;
    }
  }
}

bool PostgresClient::begin_message() {
  const char type = reader_.type();
  kept_ = type == 'R' || type == 'Z';
  body_.clear();
  if (kept_ && (reader_.size() > kLargestKept || (type == 'R' && ready_))) return false;
  if (!kept_ && !passes(type)) return false;
  if (!ready_) return kept_ || type == 'N' || type == 'S' || type == 'K' || type == 'v';
  if (expected_.empty()) return kept_ || type == 'N' || type == 'S' || type == 'A';
  expected_.front().sum.begin(type);
  return true;
}

bool PostgresClient::end_message(std::vector<Answer>& answers, std::string& out) {
  if (reader_.type() == 'R') return authenticate(out);
  if (ready_ && !expected_.empty()) expected_.front().sum.end();
  if (reader_.type() == 'Z') return ready_for_query(answers, out);
  return true;
}

bool PostgresClient::authenticate(std::string& out) {
  std::string_view body = body_;
  if (body.size() < 4) return false;
  const std::uint32_t request = read_u32(body);
  body.remove_prefix(4);
  switch (request) {
    case 0:  // it is done
      return true;
    case 3:
      append_text(out, 'p', password_);
      return true;
    case 5:
      if (body.size() != 4) return false;
      append_text(out, 'p', md5_password(user_, password_, body));
      return true;
    case 10:
      return choose_mechanism(body, out);
    case 11: {
      const auto answer = scram_ ? scram_->answer(body) : std::nullopt;
      if (answer) append_message(out, 'p', *answer);
      return answer.has_value();
    }
    case 12:
      return scram_ && scram_->verify(body);
    default:  // Kerberos and its like
      return false;
  }
}

bool PostgresClient::choose_mechanism(std::string_view mechanisms, std::string& out) {
  constexpr std::string_view kMechanism = "SCRAM-SHA-256";
  while (const auto mechanism = take_text(mechanisms)) {
    if (*mechanism != kMechanism) continue;
    scram_.emplace(password_, Scram::random_nonce());
    const std::string first = scram_->first();
    std::string body(kMechanism);
    body += '\0';
    append_u32(body, static_cast<std::uint32_t>(first.size()));
    append_message(out, 'p', body + first);
    return true;
  }
  return false;
}

bool PostgresClient::ready_for_query(std::vector<Answer>& answers, std::string& out) {
  if (body_.size() != 1) return false;
  if (!ready_) {
    ready_ = true;
    out += std::exchange(waiting_, {});
    return true;
  }
  if (expected_.empty()) return false;
  Expected& front = expected_.front();
  if (--front.replies > 0) return true;
  // A unit is whole transactions: one that is still open here went another way than in production.
  if (body_ != "I") reusable_ = false;
  if (!front.own) answers.push_back(answer_of(front.tag, std::move(front.sum.sum())));
  expected_.pop_front();
  return true;
}

}  // namespace gnomon::protocol::pg
