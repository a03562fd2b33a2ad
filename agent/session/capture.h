#pragma once
// From the tap's records to whole requests: the production half of a session's data path.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/compare/pairing.h"
#include "agent/protocol/protocol.h"
#include "agent/sampling/representativeness.h"
#include "agent/sampling/sampler.h"
#include "agent/tap/stream.h"

namespace gnomon::session {

struct CapturePolicy {
  protocol::Limits limits;
  const protocol::Protocol* protocol = nullptr;  // null: each connection's first bytes tell
  // Classes of endpoint whose requests are replayed although they may write ("POST /login"); "*": all.
  std::vector<std::string> replay_writes;
  sampling::Settings sampling;  // of single requests; by default all of a captured connection's are kept
  std::optional<compare::Settings> comparison;  // of responses; null: none is compared
};

class Capture final : public tap::StreamSink {
 public:
  using OnRequests = std::function<void(std::vector<protocol::Request>)>;
  using OnEnd = std::function<void(std::uint64_t conn_id)>;
  // Both are called on the thread that calls record().
  Capture(CapturePolicy policy, OnRequests on_requests, OnEnd on_end);

  // Thread-safe with counters().
  void record(const tap_record& header, std::span<const std::byte> payload);

  // What is known on this side of the ring, since construction.
  telemetry::TapCounters counters() const;
  // Of the requests chosen, and of all that were captured, since construction.
  struct Mixes {
    traffic_mix chosen, all;
  };
  Mixes mixes() const;

  // Whether requests can be left out on connections that are captured, as far as is known of those: no protocol was
  // found whose requests depend on earlier ones. Thread-safe.
  bool may_leave_out() const { return !has_memory_; }

  // Of the sampling of single requests, from the next one on.
  void set_fraction(Fraction fraction);

  // What came of comparing responses, since construction.
  std::vector<compare::Counts> responses() const { return responses_->counts(); }

 private:
  void open(std::uint64_t conn_id, MonoTime at, bool joined) override;
  void bytes(std::uint64_t conn_id, MonoTime at, std::span<const std::byte> data, bool after_send) override;
  void hole(std::uint64_t conn_id, MonoTime at) override;
  // A request that it cuts off is lost; there is none where each is answered before the next.
  void paused(std::uint64_t conn_id, MonoTime at) override { hole(conn_id, at); }
  void close(std::uint64_t conn_id, MonoTime at, tap::StreamEnd end) override;

  using Framers = std::unordered_map<std::uint64_t, std::unique_ptr<protocol::RequestFramer>>;
  template <class Call>
  void account(protocol::RequestFramer& framer, Call call);
  void hand_over(std::vector<protocol::Request> requests);
  bool is_replayed(const protocol::Request& request);
  void count_given_up(protocol::RequestFramer::State state);
  void frame(std::uint64_t conn_id, bool joined);
  void forget(Framers::iterator framer,
              std::uint64_t telemetry::TapCounters::*lost = &telemetry::TapCounters::truncated_requests);

  const CapturePolicy policy_;
  const bool all_writes_;
  const OnRequests on_requests_;
  const OnEnd on_end_;
  mutable std::mutex mutex_;
  tap::StreamAssembler assembler_{*this};
  Framers framers_;
  std::size_t held_bytes_ = 0;  // in the framers
  sampling::Sampler sampler_;
  sampling::MixRecorder chosen_, all_;
  telemetry::TapCounters counters_;
  const std::shared_ptr<compare::Tally> responses_ = std::make_shared<compare::Tally>();
  std::optional<compare::Pairing> pairing_;  // null: no response is compared
  std::atomic<bool> has_memory_ = false;     // a connection has been found to
};

}  // namespace gnomon::session
