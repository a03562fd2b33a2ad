#pragma once
// From ring records to bytes in order: one TCP byte stream per sampled connection, each byte once, never past a hole.
// Pure.

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>

#include "bpf/abi/probe.h"
#include "common/clock.h"
#include "telemetry/sample.h"

namespace gnomon::tap {

enum class StreamEnd { kClosed, kBroken };

// Receives the streams of one slot.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  // `joined`: the stream starts in the middle of a connection.
  virtual void open(std::uint64_t conn_id, MonoTime at, bool joined) = 0;
  // `after_send`: the service has sent something since the bytes before.
  virtual void bytes(std::uint64_t conn_id, MonoTime at, std::span<const std::byte> data, bool after_send) = 0;
  virtual void close(std::uint64_t conn_id, MonoTime at, StreamEnd end) = 0;
};

// Repeats (MSG_PEEK) are dropped, a gap ends the stream as broken and counts it; records of a connection whose start
// was missed are ignored until it closes. Memory is one small entry per open sampled connection.
class StreamAssembler {
 public:
  explicit StreamAssembler(StreamSink& sink) : sink_(sink) {}
  void record(const tap_record& header, std::span<const std::byte> payload);
  std::uint64_t broken_streams() const { return broken_streams_; }
  std::size_t open_streams() const { return streams_.size(); }

 private:
  struct Stream {
    std::uint32_t next_seq = 0;
    bool broken = false;
    bool after_send = false;  // the service has sent since the last bytes handed on
  };
  void open(const tap_record& header, MonoTime at);
  void data(const tap_record& header, MonoTime at, std::span<const std::byte> payload);
  void close(const tap_record& header, MonoTime at);
  void break_stream(std::uint64_t conn_id, Stream& stream, MonoTime at);

  StreamSink& sink_;
  std::unordered_map<std::uint64_t, Stream> streams_;
  std::uint64_t broken_streams_ = 0;
};

}  // namespace gnomon::tap
