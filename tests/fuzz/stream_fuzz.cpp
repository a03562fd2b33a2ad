// The stream assembler on arbitrary records: whatever comes in whatever order, each stream's bytes come out once, in
// order, and no hole goes untold. Input: records of five bytes (type and flags, connection, sequence number, length);
// the payload is a function of the sequence number, so that the sink can tell a wrong byte.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <vector>

#include "agent/tap/stream.h"

namespace {

constexpr std::uint32_t kBase = 0xffffff00u;  // so that numbers wrap

std::byte byte_at(std::uint32_t seq) {
  return static_cast<std::byte>((seq * 2654435761u) >> 24);
}

void require(bool condition) {
  if (!condition) std::abort();
}

class Sink final : public gnomon::tap::StreamSink {
 public:
  void open(std::uint64_t conn_id, gnomon::MonoTime, bool) override {
    require(open_.emplace(conn_id, record_seq).second);
  }
  void bytes(std::uint64_t conn_id, gnomon::MonoTime, std::span<const std::byte> data, bool) override {
    const auto stream = open_.find(conn_id);
    require(stream != open_.end() && !data.empty());
    for (std::byte byte : data) require(byte == byte_at(stream->second++));
  }
  void hole(std::uint64_t conn_id, gnomon::MonoTime) override {
    const auto stream = open_.find(conn_id);
    require(stream != open_.end());
    require(static_cast<std::int32_t>(record_seq - stream->second) > 0);
    stream->second = record_seq;
  }
  void close(std::uint64_t conn_id, gnomon::MonoTime, gnomon::tap::StreamEnd end) override {
    require(open_.erase(conn_id) == 1);
    if (end == gnomon::tap::StreamEnd::kBroken) ++broken;
  }
  std::uint32_t record_seq = 0;  // of the record that is being fed
  std::uint64_t broken = 0;

 private:
  std::map<std::uint64_t, std::uint32_t> open_;  // next sequence number by connection
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
    header.seq = kBase + (data[2] | (data[3] & 1u) << 8);
    header.len = header.type == TAP_DATA ? data[4] : 0u;
    payload.resize(header.len);
    for (std::uint32_t i = 0; i < header.len; ++i) payload[i] = byte_at(header.seq + i);
    sink.record_seq = header.seq;
    assembler.record(header, payload);
    require(assembler.open_streams() <= 4);
  }
  require(assembler.broken_streams() >= sink.broken);
  return 0;
}
