#include "agent/protocol/memcached/framer.h"

#include <algorithm>
#include <utility>

#include "agent/protocol/memcached/memcached.h"

namespace gnomon::protocol::mc {
namespace {

// A longer run of quiet commands is cut: its end may never come.
constexpr std::size_t kMostOfRun = 256;
constexpr std::size_t kLongestRun = 64u << 10;

}  // namespace

Framer::Framer(std::uint64_t conn_id, bool joined, const Limits& limits)
    : UnitFramer(joined), conn_id_(conn_id), limits_(limits) {}

void Framer::feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) {
  if (data.empty() || !admits(after_send)) return;
  if (held_bytes() == unit_.run_bytes) begun_ = at;
  std::string_view text = extended_by(data);
  while (next(text)) {
    const std::size_t taken = take(text, out);
    if (given_up(state()) || quit_) return forget();
    text.remove_prefix(taken);
    command_.reset();
    scanned_ = unit_.run_bytes;
    begun_ = at;
  }
  if (!given_up(state()) && !waits_to_join()) hold(text);
}

// Whether the command after the run is whole, which ends at end_ then.
bool Framer::next(std::string_view text) {
  if (!command_) {
    const auto newline = text.find('\n', scanned_);
    scanned_ = text.size();
    if (std::min(newline, text.size()) - unit_.run_bytes > limits_.header_bytes) {
      give_up(State::kOversized);
      return false;
    }
    if (newline == std::string_view::npos || !parse(text, newline)) return false;
  }
  if (text.size() < end_) return false;
  if (command_->data && text.substr(end_ - 2, 2) != "\r\n") {
    give_up(State::kUnparsable);
    return false;
  }
  return true;
}

bool Framer::parse(std::string_view text, std::size_t newline) {
  std::string_view line = text.substr(unit_.run_bytes, newline - unit_.run_bytes);
  if (line.ends_with('\r')) line.remove_suffix(1);
  command_ = parse_command(line);
  if (!command_) {
    give_up(State::kUnparsable);
    return false;
  }
  command_->key = {};  // it is in a buffer that may go
  const std::uint64_t most = limits_.message_bytes, data = command_->data.value_or(0);
  if (data > most || newline + 3 - unit_.run_bytes + data > most) {
    give_up(State::kOversized);
    return false;
  }
  end_ = newline + 1 + (command_->data ? static_cast<std::size_t>(data) + 2 : 0);
  return true;
}

// Takes the command that has become whole. Returns how much of `text` belongs to units that are emitted.
std::size_t Framer::take(std::string_view text, std::vector<Request>& out) {
  join();
  std::size_t before = 0;
  if (unit_.run_commands > 0 && (command_->name != unit_.run_name || end_ > kLongestRun)) {
    before = unit_.run_bytes;
    const bool sign = command_->name == kNoOperation;
    emit_run(text.substr(0, before), sign ? Answered::kUpToSign : Answered::kUncertain, out);
    if (sign) return end_;  // the client says one after the run
    text.remove_prefix(before);
    end_ -= before;
  }
  if (unit_.run_commands == 0) unit_.arrival = begun_;
  if (command_->silent && command_->meta) {
    extend_run();
    if (unit_.run_commands < kMostOfRun) return before;
  } else if (unit_.run_commands == 0) {
    Request kind;
    kind.endpoint = command_->name;
    kind.replies = command_->silent ? 0 : 1;
    kind.values = command_->values;
    if (command_->silent) kind.answered = Answered::kByErrorOnly;
    if (!command_->certain) kind.answered = Answered::kUncertain;
    kind.write = command_->write;
    kind.replayable = command_->replayable;
    quit_ = command_->quits;
    emit(text.substr(0, end_), kind, out);
    if (command_->takes_over) give_up(State::kUpgraded);
    return before + end_;
  } else {
    extend_run();
  }
  const std::size_t size = unit_.run_bytes;
  emit_run(text.substr(0, size), Answered::kUncertain, out);
  return before + size;
}

void Framer::extend_run() {
  unit_.run_bytes = end_;
  unit_.run_name = command_->name;
  unit_.run_writes = unit_.run_writes || command_->write;
  ++unit_.run_commands;
}

void Framer::emit_run(std::string_view bytes, Answered answered, std::vector<Request>& out) {
  Request kind;
  kind.answered = answered;
  kind.endpoint = unit_.run_name;
  kind.replies = 0;
  kind.write = unit_.run_writes;
  emit(bytes, kind, out);
  unit_ = Unit();
}

void Framer::emit(std::string_view bytes, const Request& kind, std::vector<Request>& out) {
  Request& request = out.emplace_back(kind);
  request.conn_id = conn_id_;
  request.arrival = unit_.arrival;
  request.protocol = &memcached();
  request.bytes = std::make_shared<const std::string>(bytes);
}

void Framer::forget() {
  UnitFramer::forget();
  unit_ = Unit();
  command_.reset();
  scanned_ = end_ = 0;
}

}  // namespace gnomon::protocol::mc
