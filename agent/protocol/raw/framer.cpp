#include "agent/protocol/raw/framer.h"

#include <utility>

#include "agent/protocol/raw/raw.h"
#include "agent/protocol/raw/unit.h"

namespace gnomon::protocol {
namespace {

// Beyond, the session that it would be replayed in may well be over.
constexpr Nanos kLongest = std::chrono::minutes(1);
// What is said within this is one piece.
constexpr Nanos kAtOnce = std::chrono::milliseconds(1);

}  // namespace

void RawFramer::feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>&) {
  if (given_up(state_) || data.empty()) return;
  if (piece_.empty()) begun_ = at;
  if (!keeps(data.size(), at)) return;
  if (!piece_.empty() && (after_send || at - begun_ - offset_ > kAtOnce)) end_piece();
  if (piece_.empty()) {
    offset_ = at - begun_;
    after_send_ = after_send;
  }
  piece_.append(reinterpret_cast<const char*>(data.data()), data.size());
}

bool RawFramer::keeps(std::size_t bytes, MonoTime at) {
  if (held_bytes() + bytes <= limits_.message_bytes && at - begun_ <= kLongest) return true;
  state_ = State::kOversized;
  std::string().swap(unit_);
  std::string().swap(piece_);
  return false;
}

void RawFramer::end_piece() {
  append_raw_piece({.offset = offset_, .after_send = after_send_, .bytes = piece_}, unit_);
  piece_.clear();
}

// It is due when it has ended: its duration is not known before.
void RawFramer::end(MonoTime at, std::vector<Request>& out) {
  if (given_up(state_) || piece_.empty() || !keeps(0, at)) return;
  end_piece();
  append_raw_piece({.offset = at - begun_, .after_send = false, .bytes = {}}, unit_);
  Request request{.conn_id = conn_id_, .arrival = at, .protocol = &raw()};
  request.bytes = std::make_shared<const std::string>(std::exchange(unit_, {}));
  request.endpoint = "connection";
  request.write = true;
  request.close = true;
  request.lasts = at - begun_;
  out.push_back(std::move(request));
}

}  // namespace gnomon::protocol
