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
      on_end_(std::move(on_end)),
      sampler_(policy_.sampling) {
  if (policy_.comparison) pairing_.emplace(*policy_.comparison, responses_);
}

void Capture::record(const tap_record& header, std::span<const std::byte> payload) {
  const std::lock_guard lock(mutex_);
  if (header.type == TAP_RESPONSE || header.type == TAP_RESPONSE_END) {
    if (pairing_) pairing_->record(header, payload);
    return;
  }
  // Packets are captured as they arrive, which tells nothing of what the service had read when it answered.
  if (pairing_ && (header.flags & TAP_PACKET) != 0) pairing_->give_up(header.conn_id);
  assembler_.record(header, payload);
}

telemetry::TapCounters Capture::counters() const {
  const std::lock_guard lock(mutex_);
  telemetry::TapCounters counters = counters_;
  counters.broken_streams = assembler_.broken_streams();
  counters.lost_bytes = assembler_.missing_bytes();
  return counters;
}

Capture::Mixes Capture::mixes() const {
  const std::lock_guard lock(mutex_);
  return {.chosen = chosen_.mix(), .all = all_.mix()};
}

void Capture::set_fraction(Fraction fraction) {
  const std::lock_guard lock(mutex_);
  sampler_.set_fraction(fraction);
}

// Runs `call` on the framer, and counts what it changes: memory held, and requests of which nothing comes although the
// connection goes on.
template <class Call>
void Capture::account(protocol::RequestFramer& framer, Call call) {
  const auto before = framer.skipped();
  held_bytes_ -= framer.held_bytes();
  call();
  held_bytes_ += framer.held_bytes();
  const auto after = framer.skipped();
  counters_.oversized_requests += after.oversized - before.oversized;
  counters_.truncated_requests += after.truncated - before.truncated;
  counters_.cancelled_requests += after.cancelled - before.cancelled;
  counters_.malformed_requests += after.malformed - before.malformed;
  counters_.not_replayable += after.unreplayable - before.unreplayable;
}

void Capture::open(std::uint64_t conn_id, MonoTime, bool joined) {
  if (const auto former = framers_.find(conn_id); former != framers_.end()) forget(former);
  frame(conn_id, joined);
  if (pairing_) pairing_->open(conn_id, joined);
}

void Capture::bytes(std::uint64_t conn_id, MonoTime at, std::span<const std::byte> data, bool after_send) {
  const auto found = framers_.find(conn_id);
  if (found == framers_.end()) return;  // given up, and counted, earlier
  if (pairing_ && after_send) pairing_->sent(conn_id);
  std::vector<protocol::Request> requests;
  account(*found->second, [&] { found->second->feed(data, at, after_send, requests); });
  if (!found->second->has_no_memory()) has_memory_ = true;
  const State state = found->second->state();
  if (!requests.empty()) hand_over(std::move(requests));
  const bool too_much = held_bytes_ > kMostHeldBytes;  // many slow uploads at once
  if (!protocol::given_up(state) && !too_much) return;
  if (protocol::given_up(state)) count_given_up(state);
  if (pairing_) pairing_->give_up(conn_id);
  forget(found, too_much ? &telemetry::TapCounters::oversized_requests : &telemetry::TapCounters::truncated_requests);
  on_end_(conn_id);
}

void Capture::hand_over(std::vector<protocol::Request> requests) {
  counters_.requests += requests.size();
  std::erase_if(requests, [this](protocol::Request& request) {
    const bool replayed = is_replayed(request);
    if (pairing_) pairing_->request(request, replayed);
    return !replayed;
  });
  if (!requests.empty()) on_requests_(std::move(requests));
}

// Counts why not. To be asked of each request once, in the order of its connection.
bool Capture::is_replayed(const protocol::Request& request) {
  const bool chosen = sampler_.choose(request);
  all_.add(request.conn_id, request.arrival, *request.bytes, true);
  chosen_.add(request.conn_id, request.arrival, *request.bytes, chosen);
  const bool allowed = !request.write || all_writes_ || std::ranges::count(policy_.replay_writes, request.endpoint) > 0;
  if (!chosen)
    ++counters_.unsampled_requests;
  else if (!request.replayable)
    ++counters_.not_replayable;
  else if (!allowed)
    ++counters_.withheld_writes;
  return chosen && request.replayable && allowed;
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
  forget(found);
  frame(conn_id, /*joined=*/true);
  if (pairing_) pairing_->hole(conn_id);
}

void Capture::close(std::uint64_t conn_id, MonoTime at, tap::StreamEnd end) {
  const auto found = framers_.find(conn_id);
  if (found != framers_.end() && end == tap::StreamEnd::kClosed) {
    std::vector<protocol::Request> requests;
    account(*found->second, [&] { found->second->end(at, requests); });
    if (!requests.empty()) hand_over(std::move(requests));
  }
  if (pairing_) pairing_->close(conn_id);
  if (found == framers_.end()) return;
  forget(found);
  on_end_(conn_id);
}

void Capture::frame(std::uint64_t conn_id, bool joined) {
  const protocol::Limits& limits = policy_.limits;
  framers_.emplace(conn_id, policy_.protocol != nullptr ? policy_.protocol->framer(conn_id, joined, limits)
                                                        : protocol::detecting_framer(conn_id, joined, limits));
}

// Nothing comes of the requests that are under way.
void Capture::forget(Framers::iterator framer, std::uint64_t telemetry::TapCounters::*lost) {
  counters_.*lost += framer->second->under_way();
  held_bytes_ -= framer->second->held_bytes();
  framers_.erase(framer);
}

}  // namespace gnomon::session
