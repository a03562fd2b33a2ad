#include "agent/tap/stream.h"

namespace gnomon::tap {
namespace {

// What is missing before the record was passed over, and nothing of it lost.
bool was_paused(const tap_record& header) {
  return (header.flags & TAP_PAUSED) != 0 && (header.flags & TAP_HOLE) == 0;
}

}  // namespace

void StreamAssembler::record(const tap_record& header, std::span<const std::byte> payload) {
  const MonoTime at = mono_from_ns(header.ts_ns);
  switch (header.type) {
    case TAP_OPEN:
      open(header, at);
      break;
    case TAP_DATA:
      data(header, payload);
      break;
    case TAP_CLOSE:
      close(header, at);
      break;
  }
}

void StreamAssembler::open(const tap_record& header, MonoTime at) {
  const auto [position, inserted] = streams_.try_emplace(header.conn_id);
  if (!inserted) {  // its close was lost: how the former stream ended is not known
    count_broken(position->second);
    sink_.close(header.conn_id, at, StreamEnd::kBroken);
  }
  position->second = Stream{.next_seq = header.seq};
  sink_.open(header.conn_id, at, (header.flags & TAP_JOIN) != 0);
}

void StreamAssembler::data(const tap_record& header, std::span<const std::byte> payload) {
  const auto position = streams_.find(header.conn_id);
  if (position == streams_.end()) return;
  Stream& stream = position->second;
  if ((header.flags & TAP_PACKET) != 0) {
    packet(stream, header, payload);
  } else {
    release(stream, true);  // none waits, but where a connection changes from one kind of record to the other
    hand_on(stream, header, payload);
  }
}

void StreamAssembler::packet(Stream& stream, const tap_record& header, std::span<const std::byte> payload) {
  const auto ahead = static_cast<std::int32_t>(header.seq - stream.next_seq);
  // What the probe lost or passed over does not come again, nor what the service has taken.
  const bool in_vain = (header.flags & (TAP_HOLE | TAP_PAUSED | TAP_AFTER_SEND)) != 0;
  if (ahead > 0 && !in_vain) {
    const std::uint64_t place = stream.position + static_cast<std::uint32_t>(ahead);
    const auto [waiting, inserted] =
        stream.waiting.try_emplace(place, Packet{header, {payload.begin(), payload.end()}});
    if (inserted) stream.waiting_bytes += payload.size();
    const Nanos waited{static_cast<Nanos::rep>(header.ts_ns - stream.waiting.begin()->second.header.ts_ns)};
    if (waited > kLongestWait || stream.waiting_bytes > kMostWaiting) release(stream, true);
    return;
  }
  if (ahead > 0) release(stream, true);
  hand_on(stream, header, payload);
  release(stream, false);
}

void StreamAssembler::release(Stream& stream, bool all) {
  while (!stream.waiting.empty() && (all || stream.waiting.begin()->first <= stream.position)) {
    const auto packet = stream.waiting.extract(stream.waiting.begin());
    stream.waiting_bytes -= packet.mapped().payload.size();
    if (packet.key() > stream.position) missing_bytes_ += packet.key() - stream.position;
    hand_on(stream, packet.mapped().header, packet.mapped().payload);
  }
}

void StreamAssembler::hand_on(Stream& stream, const tap_record& header, std::span<const std::byte> payload) {
  const MonoTime at = mono_from_ns(header.ts_ns);
  stream.after_send = stream.after_send || (header.flags & TAP_AFTER_SEND) != 0;
  // The difference of sequence numbers, signed: right across the wrap at 2^32.
  const auto ahead = static_cast<std::int32_t>(header.seq - stream.next_seq);
  if (ahead > 0) {
    stream.next_seq = header.seq;
    stream.position += static_cast<std::uint32_t>(ahead);
    // Of a send it is not known on which side of the missing bytes it was, unless the kernel says that of this record.
    stream.after_send = (header.flags & TAP_AFTER_SEND) != 0;
    if (was_paused(header)) {
      sink_.paused(header.conn_id, at);
    } else {
      count_broken(stream);
      sink_.hole(header.conn_id, at);
    }
  }
  const std::size_t seen = ahead < 0 ? static_cast<std::size_t>(-static_cast<std::int64_t>(ahead)) : 0;
  if (seen >= payload.size()) return;
  payload = payload.subspan(seen);
  stream.next_seq += static_cast<std::uint32_t>(payload.size());
  stream.position += payload.size();
  const bool after_send = stream.after_send;
  stream.after_send = false;
  sink_.bytes(header.conn_id, at, payload, after_send);
}

void StreamAssembler::close(const tap_record& header, MonoTime at) {
  const auto position = streams_.find(header.conn_id);
  if (position == streams_.end()) {
    if ((header.flags & TAP_BROKEN) != 0) ++broken_streams_;  // its open was lost: no one has heard of it
    return;
  }
  release(position->second, true);
  // A stream that is ahead of its end is whole: the service had peeked at bytes that it never took.
  const bool missing = static_cast<std::int32_t>(header.seq - position->second.next_seq) > 0;
  const bool broken = (missing && !was_paused(header)) || (header.flags & TAP_BROKEN) != 0;
  if (broken) count_broken(position->second);
  if (missing && !broken) sink_.paused(header.conn_id, at);
  sink_.close(header.conn_id, at, broken ? StreamEnd::kBroken : StreamEnd::kClosed);
  streams_.erase(position);
}

void StreamAssembler::count_broken(Stream& stream) {
  if (!stream.broken) ++broken_streams_;
  stream.broken = true;
}

}  // namespace gnomon::tap
