#include "agent/protocol/redis/framer.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "agent/protocol/redis/redis.h"

namespace gnomon::protocol::resp {
namespace {

bool is_word(std::string_view text, std::string_view upper) {
  return std::equal(text.begin(), text.end(), upper.begin(), upper.end(),
                    [](unsigned char a, unsigned char b) { return std::toupper(a) == b; });
}

// After it come messages unasked, or none where one is due.
bool answers_in_no_order(std::string_view name) {
  return name.ends_with("SUBSCRIBE") || name == "CLIENT REPLY" || name == "REPLCONF";
}

}  // namespace

Framer::Framer(std::uint64_t conn_id, bool joined, const Limits& limits)
    : UnitFramer(joined), conn_id_(conn_id), limits_(limits), parser_(limits.message_bytes) {}

void Framer::feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) {
  if (!admits(after_send)) return;
  if (UnitFramer::held_bytes() == 0) arrival_ = at;
  std::string_view text = extended_by(data);
  while (commands_ < text.size()) {
    const auto progress = parser_.advance(text.substr(commands_));
    if (progress == CommandParser::Progress::kMore) break;
    commands_ += parser_.size();
    if (progress == CommandParser::Progress::kOversized || commands_ > limits_.message_bytes)
      return give_up(State::kOversized);
    if (progress == CommandParser::Progress::kMalformed) return give_up(State::kUnparsable);
    const bool ended = take(text.substr(0, commands_), out);
    if (given_up(state()) || quit_ || waits_to_join()) return forget();
    parser_.restart();
    if (!ended) continue;
    text.remove_prefix(commands_);
    commands_ = 0;
    arrival_ = at;
  }
  if (text.size() > limits_.message_bytes) return give_up(State::kOversized);
  hold(text);
}

// Takes the command that has just become whole, the unit's last so far. True: with it the unit has ended.
bool Framer::take(std::string_view unit, std::vector<Request>& out) {
  const std::string_view command = unit.substr(commands_ - parser_.size());
  if (parser_.arguments() == 0) return open_ == Open::kNothing;  // an empty one, which the service passes over
  Named named;
  name_command(parser_, command, named);
  if (state() == State::kJoining && named.command == nullptr) {
    give_up(State::kUnparsable);
    return true;
  }
  join();
  Effect effect = named.command != nullptr ? named.command->effect : Effect::kWrites;
  if (effect == Effect::kReadsUnlessBlocking || effect == Effect::kWritesUnlessBlocking) {
    const bool writes = effect == Effect::kWritesUnlessBlocking;
    effect = writes ? Effect::kWrites : Effect::kReads;
    if (blocks(command) && open_ != Open::kTransaction) effect = Effect::kBlocks;
  }
  if (open_ == Open::kNothing) open_unit();
  add(effect, named, command);
  if (effect == Effect::kTakesOver) {
    emit(unit, out);
    give_up(State::kUpgraded);
    return true;
  }
  if (goes_on(effect)) return false;
  quit_ = effect == Effect::kQuits;
  const bool session = effect == Effect::kCredentials || effect == Effect::kHello || effect == Effect::kSession;
  if (session && request_.replies == 1) {  // it is in the prelude of what follows
    ++before_;
    return true;
  }
  emit(unit, out);
  return true;
}

void Framer::open_unit() {
  request_ = Request();
  request_.conn_id = conn_id_;
  request_.arrival = arrival_;
  request_.protocol = &redis();
  request_.prelude = session_.prelude();
  request_.replies = 0;
  request_.before = before_;
}

void Framer::add(Effect effect, const Named& named, std::string_view command) {
  ++request_.replies;
  if (answers_in_no_order(named.name)) request_.answered = Answered::kUnordered;
  switch (effect) {
    case Effect::kWrites:
      request_.write = true;
      break;
    case Effect::kBlocks:
      request_.write = true;
      if (open_ != Open::kTransaction) request_.replayable = false;
      break;
    case Effect::kNever:
    case Effect::kQuits:
    case Effect::kTakesOver:
    case Effect::kReset:
      request_.write = true;
      request_.replayable = false;
      break;
    default:
      break;
  }
  const bool outside = open_ == Open::kNothing || open_ == Open::kAsking;
  if (effect == Effect::kEnds && open_ != Open::kTransaction) request_.replayable = false;  // its MULTI was not seen
  if (effect == Effect::kMulti || (outside && effect != Effect::kAsking))
    request_.endpoint = named.command != nullptr ? named.name : "UNKNOWN";
  if (effect == Effect::kCredentials || effect == Effect::kHello || effect == Effect::kSession ||
      effect == Effect::kReset) {
    session_.say(*named.command, effect == Effect::kCredentials || with_credentials(command), command);
    if (session_.size() > limits_.header_bytes) give_up(State::kOversized);
  }
}

// Whether the unit goes on after this command.
bool Framer::goes_on(Effect effect) {
  const bool ends = effect == Effect::kQuits || effect == Effect::kReset;
  switch (open_) {
    case Open::kTransaction:
      if (effect == Effect::kEnds || ends) open_ = Open::kNothing;
      break;
    case Open::kWatch:
      if (effect == Effect::kMulti) open_ = Open::kTransaction;
      if (effect == Effect::kUnwatch || ends) open_ = Open::kNothing;
      break;
    default:
      open_ = Open::kNothing;
      if (effect == Effect::kAsking) open_ = Open::kAsking;
      if (effect == Effect::kWatch) open_ = Open::kWatch;
      if (effect == Effect::kMulti) open_ = Open::kTransaction;
      break;
  }
  return open_ != Open::kNothing;
}

// XREAD [COUNT n] [BLOCK ms], XREADGROUP GROUP g c [COUNT n] [BLOCK ms]: options end at STREAMS.
bool Framer::blocks(std::string_view command) const {
  for (std::size_t i = 1; i < std::min(parser_.arguments(), CommandParser::kKept); ++i) {
    if (is_word(parser_.argument(command, i), "STREAMS")) return false;
    if (is_word(parser_.argument(command, i), "BLOCK")) return true;
  }
  return false;
}

// HELLO [version [AUTH user password] [SETNAME name]]
bool Framer::with_credentials(std::string_view command) const {
  return is_word(parser_.argument(command, 0), "HELLO") &&
         (is_word(parser_.argument(command, 2), "AUTH") || is_word(parser_.argument(command, 4), "AUTH"));
}

void Framer::emit(std::string_view unit, std::vector<Request>& out) {
  request_.bytes = std::make_shared<const std::string>(unit);
  before_ = 0;
  out.push_back(std::move(request_));
}

void Framer::forget() {
  UnitFramer::forget();
  open_ = Open::kNothing;
  parser_.restart();
  commands_ = 0;
}

}  // namespace gnomon::protocol::resp
