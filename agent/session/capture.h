#pragma once
// From the tap's records to whole requests: the production half of a session's data path.

#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "agent/protocol/http1.h"
#include "agent/tap/stream.h"

namespace gnomon::session {

class Capture final : public tap::StreamSink {
 public:
  using OnRequests = std::function<void(std::vector<protocol::Request>)>;
  using OnEnd = std::function<void(std::uint64_t conn_id)>;
  // Both are called on the thread that calls record().
  Capture(OnRequests on_requests, OnEnd on_end);

  // Thread-safe with counters().
  void record(const tap_record& header, std::span<const std::byte> payload);

  // What is known on this side of the ring: requests, broken_streams, unparsable_streams, truncated_requests and
  // oversized_requests, since construction.
  telemetry::TapCounters counters() const;

 private:
  void open(std::uint64_t conn_id, MonoTime at, bool joined) override;
  void bytes(std::uint64_t conn_id, MonoTime at, std::span<const std::byte> data, bool after_send) override;
  void hole(std::uint64_t conn_id, MonoTime at) override;
  void close(std::uint64_t conn_id, MonoTime at, tap::StreamEnd end) override;

  using Framers = std::unordered_map<std::uint64_t, protocol::Http1RequestFramer>;
  void forget(Framers::iterator framer);

  const OnRequests on_requests_;
  const OnEnd on_end_;
  mutable std::mutex mutex_;
  tap::StreamAssembler assembler_{*this};
  Framers framers_;
  std::size_t held_bytes_ = 0;  // in the framers
  telemetry::TapCounters counters_;
};

}  // namespace gnomon::session
