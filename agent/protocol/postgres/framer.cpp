#include "agent/protocol/postgres/framer.h"

#include <algorithm>
#include <utility>

#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/postgres/words.h"

namespace gnomon::protocol::pg {
namespace {

constexpr std::size_t kLongestAuthentication = 64u << 10;
// Of settings and prepared statements, which every new connection to a shadow has to be told.
constexpr std::size_t kLargestSession = 256u << 10;
constexpr std::size_t kSyncBytes = kMessageHeader;
constexpr std::size_t kKeptBuffer = 16u << 10;

bool starts_walsender(std::string_view value) {
  return !(value == "false" || value == "off" || value == "no" || value == "0");
}

// Parameters that make the connection one whose statements can be told apart and replayed.
bool usable(std::string_view name, std::string_view value) {
  if (name == "replication") return !starts_walsender(value);
  if (name == "client_encoding") return !hides_ascii(std::string(value));
  if (name == "standard_conforming_strings") return value == "on";
  if (name == "options") return value.find("standard_conforming_strings") == std::string_view::npos;
  return true;
}

}  // namespace

PostgresFramer::PostgresFramer(std::uint64_t conn_id, bool joined, const Limits& limits)
    : conn_id_(conn_id), limits_(limits), state_(joined ? State::kUnjoinable : State::kFraming) {}

std::size_t PostgresFramer::held_bytes() const {
  return packet_.size() + startup_.size() + unit_bytes_.size() + session_.bytes() + session_.unnamed().size() +
         (prelude_ ? prelude_->size() : 0);
}

void PostgresFramer::feed(std::span<const std::byte> data, MonoTime at, bool, std::vector<Request>& out) {
  std::string_view rest(reinterpret_cast<const char*>(data.data()), data.size());
  while (!rest.empty() && !given_up(state_)) {
    switch (stage_) {
      case Stage::kStartup:
        startup(rest);
        break;
      case Stage::kAuthentication:
        authentication(rest);
        break;
      case Stage::kMessages:
        messages(rest, at, out);
        break;
      case Stage::kEnded:
        give_up(State::kUnparsable);
        break;
    }
  }
}

void PostgresFramer::startup(std::string_view& rest) {
  const auto take_up_to = [&](std::size_t size) {
    const std::size_t here = std::min(rest.size(), size - std::min(size, packet_.size()));
    packet_.append(rest.substr(0, here));
    rest.remove_prefix(here);
    return packet_.size() >= size;
  };
  if (!take_up_to(1)) return;
  if (packet_[0] == '\x16') return give_up(State::kUpgraded);  // a TLS handshake
  if (!take_up_to(8)) return;
  const std::uint32_t length = read_u32(packet_);
  if (length < 8 || length > kLongestStartup) return give_up(encryption_asked_ ? State::kUpgraded : State::kUnparsable);
  if (!take_up_to(length)) return;
  if (!startup_packet(packet_)) give_up(encryption_asked_ ? State::kUpgraded : State::kUnparsable);
  packet_.clear();
}

// False: it is none, or of a connection that is not replayed.
bool PostgresFramer::startup_packet(std::string_view packet) {
  const std::uint32_t code = read_u32(packet.substr(4));
  if (code == kSslRequest || code == kGssRequest) {
    encryption_asked_ = true;
    return packet.size() == 8;
  }
  if (code == kCancelRequest) {
    stage_ = Stage::kEnded;
    return packet.size() >= 16;
  }
  if (code >> 16 != kMajorVersion) return false;
  bool user = false;
  for (std::string_view parameters = packet.substr(8);;) {
    const auto name = take_text(parameters);
    if (!name) return false;
    if (name->empty()) {
      if (!user || !parameters.empty()) return false;
      break;
    }
    const auto value = take_text(parameters);
    if (!value || !usable(*name, *value)) return false;
    user = user || *name == "user";
  }
  startup_ = packet;
  prelude_ = std::make_shared<const std::string>(packet);
  stage_ = Stage::kAuthentication;
  return true;
}

// Until something comes that is not the answer to a challenge.
void PostgresFramer::authentication(std::string_view& rest) {
  const std::size_t skipped = std::min(skip_, rest.size());
  skip_ -= skipped;
  rest.remove_prefix(skipped);
  if (rest.empty()) return;
  if (packet_.empty() && rest.front() != 'p') {
    stage_ = Stage::kMessages;
    return;
  }
  const std::size_t here = std::min(rest.size(), kMessageHeader - packet_.size());
  packet_.append(rest.substr(0, here));
  rest.remove_prefix(here);
  if (packet_.size() < kMessageHeader) return;
  const std::uint32_t length = read_u32(std::string_view(packet_).substr(1));
  packet_.clear();
  if (length < 4 || length > kLongestAuthentication) return give_up(State::kUnparsable);
  skip_ = length - 4;
}

void PostgresFramer::messages(std::string_view& rest, MonoTime at, std::vector<Request>& out) {
  const bool held = !unit_bytes_.empty();
  if (held) {
    unit_bytes_.append(rest);
  } else {
    since_ = at;
  }
  std::string_view view = held ? std::string_view(unit_bytes_) : rest;
  rest = {};
  while (scanned_ < view.size() && stage_ == Stage::kMessages) {
    const std::string_view next = view.substr(scanned_);
    if (open_copies_ > 0 && (sync_pending_ || !copy_by_execute_) && next[0] != 'd' && next[0] != 'c' && next[0] != 'f')
      abandon_copy();
    if (!complete_) {
      if (next.size() < kMessageHeader) break;
      const std::uint32_t length = read_u32(next.substr(1));
      if (length < 4) return give_up(State::kUnparsable);
      if (length > limits_.message_bytes || scanned_ + 1 + length > limits_.message_bytes)
        return give_up(State::kOversized);
      if (length > next.size() - 1) break;
      if (scanned_ == 0) begin_unit();
      take({next[0], next.substr(kMessageHeader, length - 4), next.substr(0, 1u + length)});
      if (given_up(state_)) return;
      scanned_ += 1u + length;
      if (stage_ == Stage::kEnded) {
        if (scanned_ != view.size()) return give_up(State::kUnparsable);
        if (scanned_ == kMessageHeader) view = {};
        break;
      }
    }
    if (!complete_) continue;
    emit(view.substr(0, scanned_), out);
    view.remove_prefix(std::exchange(scanned_, 0));
    since_ = at;
  }
  if (view.empty()) {
    unit_bytes_.clear();
    if (unit_bytes_.capacity() > kKeptBuffer) std::string().swap(unit_bytes_);
  } else if (!held || view.size() != unit_bytes_.size()) {
    unit_bytes_ = std::string(view);
  }
}

void PostgresFramer::begin_unit() {
  if (!session_.take_changed()) return;
  std::string prelude = startup_;
  session_.append_to(prelude);
  prelude_ = std::make_shared<const std::string>(std::move(prelude));
}

// Whether the protocol allows the message here; of those that it does, some are refused whose effect is not certain.
bool PostgresFramer::in_order(const Message& message) const {
  switch (message.type) {
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
    case 'H':
    case 'S':
      return true;
    case 'Q':
    case 'F':
      return !in_batch_;
    case 'd':
    case 'c':
    case 'f':
      return open_copies_ > 0;
    default:
      return false;
  }
}

void PostgresFramer::take(const Message& message) {
  if (message.type == 'X' && message.body.empty()) {  // what it leaves unfinished stays so
    stage_ = Stage::kEnded;
    return;
  }
  if (!in_order(message)) return give_up(State::kUnparsable);
  if (message.type == 'd' || message.type == 'c' || message.type == 'f') return copy_message(message.type);
  const std::uint32_t copies = unit_.copies;
  if (!session_.take(message, unit_) || unit_.unreplayable) return give_up(State::kUnparsable);
  if (session_.bytes() > kLargestSession) return give_up(State::kOversized);
  if (unit_.lacks_unnamed && prefix_.empty()) prefix_ = session_.unnamed();
  if (unit_.copies != copies) {
    open_copies_ += unit_.copies - copies;
    copy_by_execute_ = message.type == 'E';
  }
  switch (message.type) {
    case 'Q':
    case 'F':
      if (open_copies_ == 0) boundary();
      break;
    case 'S':
      if (open_copies_ == 0) {
        boundary();
      } else {
        sync_pending_ = true;
      }
      break;
    default:
      in_batch_ = true;
      break;
  }
}

void PostgresFramer::copy_message(char type) {
  if (std::exchange(sync_pending_, false)) ignored_syncs_.push_back(scanned_);
  if (type == 'd') return;
  open_copies_ = type == 'f' ? 0 : open_copies_ - 1;
  if (open_copies_ == 0 && !copy_by_execute_) boundary();
}

// Something else came where only COPY data could: the service had refused the COPY.
void PostgresFramer::abandon_copy() {
  open_copies_ = 0;
  // Inside a transaction the repair would have to be made in the middle: what the service then makes of it is not
  // certain.
  if (session_.in_transaction()) return give_up(State::kUnparsable);
  append_message(suffix_, 'f', std::string_view("\0", 1));
  if (std::exchange(sync_pending_, false)) {
    ignored_syncs_.push_back(scanned_);
    append_message(suffix_, 'S', {});
  }
  boundary();
}

// One ReadyForQuery; outside a transaction the unit ends here.
void PostgresFramer::boundary() {
  ++replies_;
  in_batch_ = false;
  complete_ = !session_.in_transaction();
}

void PostgresFramer::emit(std::string_view bytes, std::vector<Request>& out) {
  Request request{.conn_id = conn_id_, .arrival = since_, .protocol = &postgres()};
  if (prefix_.empty() && suffix_.empty() && ignored_syncs_.empty()) {
    request.bytes = std::make_shared<const std::string>(bytes);
  } else {
    std::string repaired = std::exchange(prefix_, {});
    std::size_t from = 0;
    for (const std::size_t end : ignored_syncs_) {
      repaired += bytes.substr(from, end - kSyncBytes - from);
      from = end;
    }
    repaired += bytes.substr(from);
    repaired += std::exchange(suffix_, {});
    ignored_syncs_.clear();
    request.bytes = std::make_shared<const std::string>(std::move(repaired));
  }
  request.prelude = prelude_;
  request.endpoint = unit_.endpoint();
  request.replies = replies_;
  request.before = std::exchange(first_, false) ? 1 : 0;
  request.write = unit_.write;
  out.push_back(std::move(request));
  session_.end_unit();
  unit_ = {};
  replies_ = 0;
  complete_ = false;
}

void PostgresFramer::give_up(State why) {
  state_ = why;
  session_ = {};
  prelude_.reset();
  for (std::string* held : {&packet_, &startup_, &unit_bytes_, &prefix_, &suffix_}) std::string().swap(*held);
}

}  // namespace gnomon::protocol::pg
