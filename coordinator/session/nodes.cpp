// What agents say: that they are there, how they are, and what they measured.

#include <algorithm>
#include <set>

#include "common/log.h"
#include "common/status.h"
#include "coordinator/session/sessions.h"
#include "telemetry/wire.h"

namespace gnomon::session {
namespace {

v1::TapCounters sum(const v1::TapCounters& left, const v1::TapCounters& right) {
  telemetry::TapCounters total = telemetry::from_wire(left);
  return telemetry::to_wire(total += telemetry::from_wire(right));
}

v1::ReplayCounters sum(const v1::ReplayCounters& left, const v1::ReplayCounters& right) {
  telemetry::ReplayCounters total = telemetry::from_wire(left);
  return telemetry::to_wire(total += telemetry::from_wire(right));
}

}  // namespace

absl::Status Sessions::connect(const v1::Hello& hello, NodeListener& listener) {
  if (hello.node().empty()) return absl::InvalidArgumentError("hello.node: is empty; the agent must name its node");
  const std::lock_guard lock(mutex_);
  Peer& peer = peers_[hello.node()];
  if (peer.listener) peer.listener->on_replaced();
  peer.listener = &listener;
  peer.stored.hello = hello;
  peer.stored.last_seen_unix_ms = unix_ms();
  peer.last_seen = clock_.now();
  SPDLOG_INFO("node {} connected, version {}", hello.node(), hello.version());
  RETURN_IF_ERROR(store_.put_node(peer.stored));
  return publish(hello.node(), true);
}

void Sessions::disconnect(const std::string& node, NodeListener& listener) {
  const std::lock_guard lock(mutex_);
  const auto peer = peers_.find(node);
  if (peer == peers_.end() || peer->second.listener != &listener) return;
  peer->second.listener = nullptr;
  peer->second.status.clear_instances();
  SPDLOG_INFO("node {} disconnected", node);
  const absl::Status stored = store_.put_node(peer->second.stored);
  if (!stored.ok()) SPDLOG_ERROR("node {}: {}", node, std::string(stored.message()));
}

absl::Status Sessions::report(const std::string& node, const v1::NodeStatus& status) {
  const std::lock_guard lock(mutex_);
  Peer& peer = peers_[node];
  peer.status = status;
  peer.last_seen = clock_.now();
  peer.stored.last_seen_unix_ms = unix_ms();
  for (const v1::SessionStatus& reported : status.sessions()) {
    const auto active = active_.find(reported.id());
    if (active == active_.end() || active->second.session.node() != node) continue;
    RETURN_IF_ERROR(merge(active->second, reported));
  }
  return place_waiting();
}

absl::Status Sessions::merge(Active& active, const v1::SessionStatus& reported) {
  v1::Session session = active.session;
  std::set<int> completed(session.status().completed_blocks().begin(), session.status().completed_blocks().end());
  for (int block : reported.completed_blocks())
    if (block >= 0 && block < session.spec().blocks_size()) completed.insert(block);
  *session.mutable_status() = reported;
  session.mutable_status()->mutable_completed_blocks()->Assign(completed.begin(), completed.end());

  // Before its blocks run, nothing of an unfinished block can be valid: its first run was interrupted.
  const v1::SessionState state = reported.state();
  if (state < v1::SESSION_STATE_RUNNING) {
    ASSIGN_OR_RETURN(const int discarded,
                     store_.discard_incomplete(session.id(), {completed.begin(), completed.end()}));
    if (discarded > 0)
      SPDLOG_INFO("session {}: {} samples of an interrupted block do not count", session.id(), discarded);
  }
  if (state >= v1::SESSION_STATE_COMPLETED) {
    active.session = std::move(session);
    return finish(reported.id(), state, reported.message());
  }
  if (all_blocks_completed(session) && !active.all_blocks_since) active.all_blocks_since = clock_.now();
  if (session.status().SerializeAsString() == active.session.status().SerializeAsString()) return absl::OkStatus();
  RETURN_IF_ERROR(store_.put_session(session));
  active.session = std::move(session);
  notify(active.session, {});
  return absl::OkStatus();
}

absl::Status Sessions::add_samples(const std::string& node, const v1::SampleBatch& batch) {
  const std::lock_guard lock(mutex_);
  peers_[node].last_seen = clock_.now();
  std::map<std::string, v1::Session> touched;  // with totals that include the batch
  std::map<std::string, std::vector<v1::Sample>> fresh;
  std::uint64_t rejected = 0;
  store::Store::Transaction transaction(store_);
  for (int i = 0; i < batch.samples_size(); ++i) {
    const v1::Sample& sample = batch.samples(i);
    const absl::Status valid = telemetry::from_wire(sample).status();
    if (!touched.count(sample.session_id())) {
      absl::StatusOr<v1::Session> session = find(sample.session_id());
      if (session.ok()) touched[sample.session_id()] = *std::move(session);
    }
    const auto session = touched.find(sample.session_id());
    if (!valid.ok() || session == touched.end() || session->second.node() != node) {
      ++rejected;
      SPDLOG_WARN("node {}: a sample of session \"{}\" is left out: {}", node, sample.session_id(),
                  valid.ok() ? "the node runs no such session" : std::string(valid.message()));
      continue;
    }
    ASSIGN_OR_RETURN(const bool is_new, store_.add_sample(sample, batch.sequence(), i));
    if (!is_new) continue;
    *session->second.mutable_tap() = sum(session->second.tap(), sample.tap());
    *session->second.mutable_replay() = sum(session->second.replay(), sample.replay());
    fresh[sample.session_id()].push_back(sample);
  }
  for (auto& [id, samples] : fresh) {
    v1::Session& session = touched[id];
    if (session.ended_unix_ms() != 0) RETURN_IF_ERROR(judge(session));  // late: the verdict takes them into account
    RETURN_IF_ERROR(store_.put_session(session));
  }
  RETURN_IF_ERROR(transaction.commit());
  rejected_samples_ += rejected;
  peers_[node].rejected_samples += rejected;
  for (auto& [id, samples] : fresh) {
    const auto active = active_.find(id);
    if (active != active_.end()) active->second.session = touched[id];
    notify(touched[id], samples);
  }
  return absl::OkStatus();
}

}  // namespace gnomon::session
