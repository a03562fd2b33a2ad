#include "agent/session/capture.h"

#include <algorithm>
#include <utility>

namespace gnomon::session {
namespace {

// Of requests not yet whole, over all connections; the agent's memory is production's neighbour.
constexpr std::size_t kMostHeldBytes = 64u << 20;

}  // namespace

using State = protocol::RequestFramer::State;

Capture::Capture(CapturePolicy policy, OnRequests on_requests, OnEnd on_end)
    : policy_(std::move(policy)),
      all_writes_(std::ranges::count(policy_.replay_writes, "*") > 0),
      on_requests_(std::move(on_requests)),
      on_end_(std::move(on_end)) {}

void Capture::record(const tap_record& header, std::span<const std::byte> payload) {
  const std::lock_guard lock(mutex_);
  assembler_.record(header, payload);
}

telemetry::TapCounters Capture::counters() const {
  const std::lock_guard lock(mutex_);
  telemetry::TapCounters counters = counters_;
  counters.broken_streams = assembler_.broken_streams();
  return counters;
}

void Capture::open(std::uint64_t conn_id, MonoTime, bool joined) {
  if (const auto former = framers_.find(conn_id); former != framers_.end()) forget(former);
  framers_.emplace(conn_id, protocol::detecting_framer(conn_id, joined, policy_.limits));
}

void Capture::bytes(std::uint64_t conn_id, MonoTime at, std::span<const std::byte> data, bool after_send) {
  const auto found = framers_.find(conn_id);
  if (found == framers_.end()) return;  // given up, and counted, earlier
  std::vector<protocol::Request> requests;
  held_bytes_ -= found->second->held_bytes();
  found->second->feed(data, at, after_send, requests);
  held_bytes_ += found->second->held_bytes();
  const State state = found->second->state();
  if (!requests.empty()) hand_over(std::move(requests));
  const bool too_much = held_bytes_ > kMostHeldBytes;  // many slow uploads at once
  if (!protocol::given_up(state) && !too_much) return;
  count_given_up(too_much ? State::kOversized : state);
  forget(found);
  on_end_(conn_id);
}

void Capture::hand_over(std::vector<protocol::Request> requests) {
  counters_.requests += requests.size();
  counters_.withheld_writes += std::erase_if(requests, [this](const auto& request) { return !is_replayed(request); });
  if (!requests.empty()) on_requests_(std::move(requests));
}

bool Capture::is_replayed(const protocol::Request& request) const {
  if (!request.replayable) return false;
  return !request.write || all_writes_ || std::ranges::count(policy_.replay_writes, request.endpoint) > 0;
}

void Capture::count_given_up(State state) {
  switch (state) {
    case State::kOversized:
      ++counters_.oversized_requests;
      break;
    case State::kUnjoinable:
      ++counters_.unjoinable_streams;
      break;
    default:
      ++counters_.unparsable_streams;
      break;
  }
}

void Capture::hole(std::uint64_t conn_id, MonoTime) {
  const auto found = framers_.find(conn_id);
  if (found == framers_.end()) return;
  if (found->second->mid_message()) ++counters_.truncated_requests;
  forget(found);
  framers_.emplace(conn_id, protocol::detecting_framer(conn_id, /*joined=*/true, policy_.limits));
}

void Capture::close(std::uint64_t conn_id, MonoTime, tap::StreamEnd) {
  const auto found = framers_.find(conn_id);
  if (found == framers_.end()) return;
  if (found->second->mid_message()) ++counters_.truncated_requests;
  forget(found);
  on_end_(conn_id);
}

void Capture::forget(Framers::iterator framer) {
  held_bytes_ -= framer->second->held_bytes();
  framers_.erase(framer);
}

}  // namespace gnomon::session
