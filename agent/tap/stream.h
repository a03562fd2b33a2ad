#pragma once
// From ring records to bytes in order: one TCP byte stream per sampled connection, each byte once, holes told. Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>

#include "bpf/abi/probe.h"
#include "common/clock.h"
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
  virtual void close(std::uint64_t conn_id, MonoTime at, StreamEnd end) = 0;
};

// Repeats (MSG_PEEK) are dropped, a gap is a hole; records of a connection whose start was missed are ignored until it
// closes. Memory is one small entry per open sampled connection.
class StreamAssembler {
 public:
  explicit StreamAssembler(StreamSink& sink) : sink_(sink) {}
  void record(const tap_record& header, std::span<const std::byte> payload);
  // Streams that lost bytes, each once however many holes it has.
  std::uint64_t broken_streams() const { return broken_streams_; }
  std::size_t open_streams() const { return streams_.size(); }

 private:
  struct Stream {
    std::uint32_t next_seq = 0;
    bool broken = false;      // bytes of it were lost
    bool after_send = false;  // the service has sent since the last bytes handed on
  };
  void open(const tap_record& header, MonoTime at);
  void data(const tap_record& header, MonoTime at, std::span<const std::byte> payload);
  void close(const tap_record& header, MonoTime at);
  void count_broken(Stream& stream);

  StreamSink& sink_;
  std::unordered_map<std::uint64_t, Stream> streams_;
  std::uint64_t broken_streams_ = 0;
};

}  // namespace gnomon::tap
