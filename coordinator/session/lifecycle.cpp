// From waiting for a node to the verdict.

#include <algorithm>
#include <limits>

#include "common/log.h"
#include "common/status.h"
#include "coordinator/session/sessions.h"
#include "coordinator/session/verdict.h"
#include "fmt/format.h"

namespace gnomon::session {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr minutes kPatienceWithNode{5};
// How long an agent that has reported its last block may take to say that the session is complete.
constexpr seconds kPatienceWithEnd{30};

bool has_instance(const v1::NodeStatus& status, const std::string& service) {
  return std::any_of(status.instances().begin(), status.instances().end(), [&](const v1::InstanceStatus& instance) {
    return instance.service() == service && instance.error().empty();
  });
}

}  // namespace

// Gives a session that has no node the least busy one that runs its service, or says what it waits for.
absl::Status Sessions::place(Active& active) {
  v1::Session& session = active.session;
  std::string chosen;
  auto least = std::numeric_limits<std::ptrdiff_t>::max();
  for (const auto& [name, peer] : peers_) {
    if (!peer.listener || !has_instance(peer.status, session.service())) continue;
    const std::ptrdiff_t busy = std::count_if(active_.begin(), active_.end(), [&, node = name](const auto& entry) {
      return entry.second.session.node() == node;
    });
    if (busy >= least) continue;
    least = busy;
    chosen = name;
  }
  const std::string message = chosen.empty() ? waiting_message(session.service()) : std::string();
  if (chosen.empty() && session.status().message() == message) return absl::OkStatus();
  session.set_node(chosen);
  session.mutable_status()->set_message(message);
  RETURN_IF_ERROR(store_.put_session(session));
  notify(session, {});
  return chosen.empty() ? absl::OkStatus() : publish(chosen, false);
}

absl::Status Sessions::place_waiting() {
  for (auto& [id, active] : active_)
    if (active.session.node().empty()) RETURN_IF_ERROR(place(active));
  return absl::OkStatus();
}

std::string Sessions::waiting_message(const std::string& service) const {
  std::string reasons;
  bool connected = false;
  for (const auto& [name, peer] : peers_) {
    if (!peer.listener) continue;
    connected = true;
    for (const v1::InstanceStatus& instance : peer.status.instances())
      if (instance.service() == service && !instance.error().empty())
        reasons += fmt::format("; node {}: {}", name, instance.error());
  }
  if (!connected) return "waiting for a node to connect";
  return fmt::format("waiting for a node with an instance of service {}", service) + reasons;
}

absl::Status Sessions::publish(const std::string& node, bool always) {
  Peer& peer = peers_[node];
  v1::DesiredState state;
  state.set_revision(peer.stored.desired.revision());
  for (const auto& [name, service] : services_) *state.add_services() = service;
  for (const auto& [id, active] : active_) {
    if (active.session.node() != node) continue;
    v1::SessionSpec& spec = *state.add_sessions();
    spec = active.session.spec();
    *spec.mutable_completed_blocks() = active.session.status().completed_blocks();
  }
  const bool changed = state.SerializeAsString() != peer.stored.desired.SerializeAsString();
  if (changed) {
    state.set_revision(state.revision() + 1);
    store::Node node_now = peer.stored;
    node_now.desired = state;
    RETURN_IF_ERROR(store_.put_node(node_now));
    peer.stored = std::move(node_now);
  }
  if ((changed || always) && peer.listener) peer.listener->on_desired(peer.stored.desired);
  return absl::OkStatus();
}

absl::Status Sessions::publish_all() {
  for (const auto& [name, peer] : peers_) RETURN_IF_ERROR(publish(name, false));
  return absl::OkStatus();
}

absl::Status Sessions::judge(v1::Session& session) {
  ASSIGN_OR_RETURN(const std::vector<v1::Sample> samples, store_.samples(session.id()));
  ASSIGN_OR_RETURN(*session.mutable_verdict(), judge_session(session, samples));
  return absl::OkStatus();
}

absl::Status Sessions::finish(const std::string& id, v1::SessionState state, const std::string& message) {
  v1::Session session = active_.at(id).session;
  session.mutable_status()->set_state(state);
  session.mutable_status()->set_message(message);
  session.mutable_status()->set_current_block(-1);
  if (session.status().has_progress()) {
    session.mutable_status()->mutable_progress()->clear_activity();
    session.mutable_status()->mutable_progress()->clear_left_ms();
  }
  session.set_ended_unix_ms(unix_ms());
  RETURN_IF_ERROR(judge(session));
  RETURN_IF_ERROR(store_.put_session(session));
  SPDLOG_INFO("session {} ended: {} {}", id, v1::SessionState_Name(state), message);
  active_.erase(id);
  notify(session, {});
  watchers_.erase(id);
  return session.node().empty() ? absl::OkStatus() : publish(session.node(), false);
}

void Sessions::sweep() {
  const std::lock_guard lock(mutex_);
  const MonoTime now = clock_.now();
  std::vector<std::string> gone, complete;
  for (const auto& [id, active] : active_) {
    if (active.session.node().empty()) continue;
    const Peer& peer = peers_[active.session.node()];
    if (active.all_blocks_since && now - *active.all_blocks_since > kPatienceWithEnd)
      complete.push_back(id);
    else if (!peer.listener && now - peer.last_seen > kPatienceWithNode)
      gone.push_back(id);
  }
  const auto end = [&](const std::string& id, v1::SessionState state, const std::string& message) {
    const absl::Status status = finish(id, state, message);
    if (!status.ok()) SPDLOG_ERROR("session {} cannot be ended: {}", id, std::string(status.message()));
  };
  for (const std::string& id : complete) end(id, v1::SESSION_STATE_COMPLETED, "");
  for (const std::string& id : gone)
    end(id, v1::SESSION_STATE_FAILED,
        fmt::format("node {} has been away for more than {} minutes", active_.at(id).session.node(),
                    kPatienceWithNode.count()));
  const absl::Status placed = place_waiting();
  if (!placed.ok()) SPDLOG_ERROR("sessions cannot be placed: {}", std::string(placed.message()));
}

}  // namespace gnomon::session
