// The stream assembler on arbitrary records: whatever comes in whatever order, each stream's bytes come out once, in
// order, and no hole goes untold. Input: records of five bytes (type and flags, connection, sequence number, time,
// length); the payload is a function of the sequence number, so that the sink can tell a wrong byte.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <vector>

#include "agent/tap/stream.h"

namespace {

constexpr std::uint32_t kBase = 0xffffff80u;  // so that numbers wrap

// There are fewer numbers than bytes have values, so that a byte tells where it is.
std::byte byte_at(std::uint32_t seq) {
  return static_cast<std::byte>(seq - kBase);
}

void require(bool condition) {
  if (!condition) std::abort();
}

class Sink final : public gnomon::tap::StreamSink {
 public:
  void open(std::uint64_t conn_id, gnomon::MonoTime, bool) override {
    require(open_.emplace(conn_id, Position{.seq = record_seq}).second);
  }
  void bytes(std::uint64_t conn_id, gnomon::MonoTime, std::span<const std::byte> data, bool) override {
    const auto stream = open_.find(conn_id);
    require(stream != open_.end() && !data.empty());
    Position& position = stream->second;
    if (position.behind_hole) {  // which may be of any length
      const std::uint32_t end = kBase + static_cast<std::uint32_t>(data.front());
      require(static_cast<std::int32_t>(end - position.seq) > 0);
      position = {.seq = end, .behind_hole = false};
    }
    require(are_at(data, position.seq));
    position.seq += static_cast<std::uint32_t>(data.size());
  }
  void hole(std::uint64_t conn_id, gnomon::MonoTime) override {
    const auto stream = open_.find(conn_id);
    require(stream != open_.end());
    stream->second.behind_hole = true;
  }
  void paused(std::uint64_t conn_id, gnomon::MonoTime at) override { hole(conn_id, at); }
  void close(std::uint64_t conn_id, gnomon::MonoTime, gnomon::tap::StreamEnd end) override {
    require(open_.erase(conn_id) == 1);
    if (end == gnomon::tap::StreamEnd::kBroken) ++broken;
  }
  std::uint32_t record_seq = 0;  // of the record that is being fed
  std::uint64_t broken = 0;

 private:
  struct Position {
    std::uint32_t seq = 0;  // of the next byte
    bool behind_hole = false;
  };
  static bool are_at(std::span<const std::byte> data, std::uint32_t seq) {
    for (std::byte byte : data)
      if (byte != byte_at(seq++)) return false;
    return true;
  }
  std::map<std::uint64_t, Position> open_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Sink sink;
  gnomon::tap::StreamAssembler assembler(sink);
  std::vector<std::byte> payload;
  for (; size >= 5; data += 5, size -= 5) {
    tap_record header{};
    header.type = data[0] & 3u;
    header.flags = data[0] >> 2;
    header.conn_id = data[1] & 3u;
    header.seq = kBase + (data[2] & 0x7fu);
    header.ts_ns = data[3] * 100'000'000ull;
    header.len = header.type == TAP_DATA ? data[4] & 0x7fu : 0u;
    payload.resize(header.len);
    for (std::uint32_t i = 0; i < header.len; ++i) payload[i] = byte_at(header.seq + i);
    sink.record_seq = header.seq;
    assembler.record(header, payload);
    require(assembler.open_streams() <= 4);
  }
  require(assembler.broken_streams() >= sink.broken);
  return 0;
}
