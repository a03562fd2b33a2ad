#pragma once
// From ring records to bytes in order: one TCP byte stream per sampled connection, each byte once, holes and pauses
// told. Pure.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "bpf/abi/probe.h"
#include "common/clock.h"
#include "common/units.h"
#include "telemetry/sample.h"

namespace gnomon::tap {

enum class StreamEnd {
  kClosed,
  kBroken,  // its last bytes were lost
};

// Receives the streams of one slot.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // `joined`: the stream starts in the middle of a connection.
  virtual void open(std::uint64_t conn_id, MonoTime at, bool joined) = 0;
  // `after_send`: the service has sent something since the bytes before.
  virtual void bytes(std::uint64_t conn_id, MonoTime at, std::span<const std::byte> data, bool after_send) = 0;
  // Bytes were lost here. What follows is as in a joined stream: it may begin anywhere in a message.
  virtual void hole(std::uint64_t conn_id, MonoTime at) = 0;
  // Bytes were left out here, as the session was off. What follows is as behind a hole, but begins a request where each
  // is answered before the next.
  virtual void paused(std::uint64_t conn_id, MonoTime at) = 0;
  virtual void close(std::uint64_t conn_id, MonoTime at, StreamEnd end) = 0;
};

// Repeats (MSG_PEEK) are dropped, a gap is a hole; records of a connection whose start was missed are ignored until it
// closes. Packets (TAP_PACKET) that are ahead of others wait for those: until the service answers what came before, or
// kLongestWait, or there is more than kMostWaiting. Memory is one small entry per open sampled connection, and that.
class StreamAssembler {
 public:
  static constexpr Nanos kLongestWait = std::chrono::seconds(2);  // several retransmissions of TCP
  static constexpr std::size_t kMostWaiting = 1u << 20;           // bytes of a stream

  explicit StreamAssembler(StreamSink& sink) : sink_(sink) {}
  void record(const tap_record& header, std::span<const std::byte> payload);
  // Streams that lost bytes, each once however many holes it has.
  std::uint64_t broken_streams() const { return broken_streams_; }
  std::size_t open_streams() const { return streams_.size(); }
  // Bytes between packets that no record was of, nor the probe's counters know: they arrived when nothing looked.
  std::uint64_t missing_bytes() const { return missing_bytes_; }

 private:
  struct Packet {
    tap_record header;
    std::vector<std::byte> payload;
  };
  struct Stream {
    std::uint32_t next_seq = 0;
    bool broken = false;      // bytes of it were lost
    bool after_send = false;  // the service has sent since the last bytes handed on
    // Packets ahead of their turn, by their place: sequence numbers counted on beyond 2^32.
    std::map<std::uint64_t, Packet> waiting;
    std::size_t waiting_bytes = 0;
    std::uint64_t position = 0;  // of next_seq
  };
  void open(const tap_record& header, MonoTime at);
  void data(const tap_record& header, std::span<const std::byte> payload);
  void packet(Stream& stream, const tap_record& header, std::span<const std::byte> payload);
  // Those whose turn it is; with `all`, the others too, behind holes.
  void release(Stream& stream, bool all);
  void hand_on(Stream& stream, const tap_record& header, std::span<const std::byte> payload);
  void close(const tap_record& header, MonoTime at);
  void count_broken(Stream& stream);

  StreamSink& sink_;
  std::unordered_map<std::uint64_t, Stream> streams_;
  std::uint64_t broken_streams_ = 0, missing_bytes_ = 0;
};

}  // namespace gnomon::tap
