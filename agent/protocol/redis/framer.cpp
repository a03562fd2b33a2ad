#include "agent/protocol/redis/framer.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "agent/protocol/redis/redis.h"

namespace gnomon::protocol::resp {
namespace {

constexpr std::size_t kKeptBuffer = 16u << 10;  // more is given back once it is empty

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
    : conn_id_(conn_id),
      limits_(limits),
      state_(joined ? State::kJoining : State::kFraming),
      parser_(limits.message_bytes) {}

// The unit under way is at the front of `text`: in the caller's buffer if it began there, else in held_.
void Framer::feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) {
  if (given_up(state_) || quit_) return;
  if (state_ == State::kJoining) {
    if (after_send) {
      forget();
      trying_ = true;
    }
    if (!trying_) return;
  }
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  const bool in_held = !held_.empty();
  if (in_held) {
    held_ += text;
    text = held_;
  } else {
    arrival_ = at;
  }
  while (commands_ < text.size()) {
    const auto progress = parser_.advance(text.substr(commands_));
    if (progress == CommandParser::Progress::kMore) break;
    commands_ += parser_.size();
    if (progress == CommandParser::Progress::kOversized || commands_ > limits_.message_bytes)
      return give_up(State::kOversized);
    if (progress == CommandParser::Progress::kMalformed) return give_up(State::kUnparsable);
    const bool ended = take(text.substr(0, commands_), out);
    if (given_up(state_) || quit_ || (state_ == State::kJoining && !trying_)) return forget();
    parser_.restart();
    if (!ended) continue;
    text.remove_prefix(commands_);
    commands_ = 0;
    arrival_ = at;
  }
  if (text.size() > limits_.message_bytes) return give_up(State::kOversized);
  if (in_held) {
    held_.erase(0, held_.size() - text.size());
    if (held_.empty() && held_.capacity() > kKeptBuffer) std::string().swap(held_);
  } else {
    held_.assign(text);
  }
}

// Takes the command that has just become whole, the unit's last so far. True: with it the unit has ended.
bool Framer::take(std::string_view unit, std::vector<Request>& out) {
  const std::string_view command = unit.substr(commands_ - parser_.size());
  if (parser_.arguments() == 0) return open_ == Open::kNothing;  // an empty one, which the service passes over
  Named named;
  name_command(parser_, command, named);
  if (state_ == State::kJoining) {
    if (named.command == nullptr) {
      trying_ = false;
      return true;
    }
    state_ = State::kFraming;
    trying_ = false;
  }
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

void Framer::give_up(State why) {
  // While joining, what is no command is the middle of one: wait for the next chance.
  if (state_ == State::kJoining) {
    trying_ = false;
  } else {
    state_ = why;
  }
  forget();
}

void Framer::forget() {
  open_ = Open::kNothing;
  parser_.restart();
  commands_ = 0;
  std::string().swap(held_);
}

}  // namespace gnomon::protocol::resp
