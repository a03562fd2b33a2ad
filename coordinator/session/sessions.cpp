#include "coordinator/session/sessions.h"

#include <utility>

#include "common/status.h"
#include "coordinator/session/adjust.h"
#include "document/service.h"

namespace gnomon::session {

absl::StatusOr<std::unique_ptr<Sessions>> Sessions::create(store::Store& store, const Clock& clock,
                                                           std::uint64_t seed) {
  std::unique_ptr<Sessions> sessions(new Sessions(store, clock, seed));
  RETURN_IF_ERROR(sessions->load());
  return sessions;
}

absl::Status Sessions::load() {
  ASSIGN_OR_RETURN(const std::vector<v1::ServiceDescriptor> services, store_.services());
  for (const v1::ServiceDescriptor& service : services) services_[service.name()] = service;
  ASSIGN_OR_RETURN(const std::vector<store::Node> nodes, store_.nodes());
  // Agents are not to blame for the time the coordinator was away: they count as seen now.
  for (const store::Node& node : nodes)
    peers_[node.hello.node()] = {.stored = node, .status = {}, .last_seen = clock_.now()};
  ASSIGN_OR_RETURN(std::vector<v1::Session> sessions, store_.sessions_not_ended());
  for (v1::Session& session : sessions) {
    Active& active = active_[session.id()];
    if (all_blocks_completed(session)) active.all_blocks_since = clock_.now();
    active.session = std::move(session);
  }
  return absl::OkStatus();
}

bool Sessions::all_blocks_completed(const v1::Session& session) {
  return session.status().completed_blocks_size() == session.spec().blocks_size();
}

std::int64_t Sessions::unix_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.wall_now().time_since_epoch()).count();
}

absl::StatusOr<v1::ListServicesResponse> Sessions::list_services() {
  const std::lock_guard lock(mutex_);
  v1::ListServicesResponse response;
  for (const auto& [name, descriptor] : services_) {
    v1::Service& service = *response.add_services();
    *service.mutable_descriptor_document() = descriptor;
    for (const auto& [node, peer] : peers_)
      for (const v1::InstanceStatus& instance : peer.status.instances()) {
        if (instance.service() != name) continue;
        *service.add_instances() = instance;
        service.add_nodes(node);
      }
  }
  return response;
}

absl::StatusOr<v1::ListNodesResponse> Sessions::list_nodes() {
  const std::lock_guard lock(mutex_);
  v1::ListNodesResponse response;
  for (const auto& [name, peer] : peers_) {
    v1::Node& node = *response.add_nodes();
    *node.mutable_hello() = peer.stored.hello;
    node.set_connected(peer.listener != nullptr);
    node.set_last_seen_unix_ms(peer.stored.last_seen_unix_ms);
    node.set_desired_revision(peer.stored.desired.revision());
    node.set_applied_revision(peer.status.applied_revision());
    node.set_dropped_samples(peer.status.dropped_samples());
    node.set_rejected_samples(peer.rejected_samples);
  }
  return response;
}

absl::StatusOr<v1::ListSessionsResponse> Sessions::list_sessions() {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(std::vector<v1::Session> sessions, store_.sessions());
  v1::ListSessionsResponse response;
  for (v1::Session& session : sessions) {
    session.mutable_verdict()->clear_metrics();
    if (session.ended_unix_ms() == 0) session.clear_verdict();
    *response.add_sessions() = std::move(session);
  }
  return response;
}

absl::StatusOr<v1::ListProfilesResponse> Sessions::list_profiles() {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(std::vector<v1::Profile> profiles, store_.profiles());
  v1::ListProfilesResponse response;
  for (v1::Profile& profile : profiles) *response.add_profiles() = std::move(profile);
  return response;
}

absl::StatusOr<v1::Session> Sessions::find(const std::string& id) const {
  const auto active = active_.find(id);
  if (active != active_.end()) return active->second.session;
  return store_.session(id);
}

absl::StatusOr<v1::Session> Sessions::get(const std::string& id, bool with_samples) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(v1::Session session, find(id));
  if (!with_samples) return session;
  ASSIGN_OR_RETURN(std::vector<v1::Sample> samples, store_.samples(id));
  for (v1::Sample& sample : samples) *session.add_samples() = std::move(sample);
  return session;
}

absl::StatusOr<v1::Session> Sessions::stop(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (active_.count(id)) RETURN_IF_ERROR(finish(id, v1::SESSION_STATE_CANCELLED, "stopped on request"));
  return find(id);
}

absl::StatusOr<v1::Session> Sessions::adjust(const v1::AdjustSessionRequest& request) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(v1::Session session, find(request.id()));
  const auto active = active_.find(request.id());
  if (active == active_.end())
    return absl::FailedPreconditionError("session " + request.id() + " has ended: nothing of it can be changed");
  if (request.sampled_fraction().empty() && !request.has_noise_parameters() && !request.has_resource_allocation())
    return absl::InvalidArgumentError(
        "nothing to change: sampled_fraction, as \"20%\", noise_parameters or resource_allocation");
  if (!request.sampled_fraction().empty()) {
    v1::ServiceDescriptor& service = *session.mutable_spec()->mutable_service();
    service.mutable_shadow()->set_sampled_fraction(request.sampled_fraction());
    RETURN_IF_ERROR(document::validate(service).status());
  }
  if (request.has_noise_parameters())
    RETURN_IF_ERROR(change_noise(request.noise_parameters(), session.status(), *session.mutable_spec()));
  if (request.has_resource_allocation())
    RETURN_IF_ERROR(change_resources(request.resource_allocation(), session.status(), *session.mutable_spec()));
  RETURN_IF_ERROR(store_.put_session(session));
  active->second.session = session;
  notify(session, {});
  if (!session.node().empty()) RETURN_IF_ERROR(publish(session.node(), false));
  return session;
}

absl::Status Sessions::watch(const std::string& id, Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  ASSIGN_OR_RETURN(const v1::Session session, find(id));
  ASSIGN_OR_RETURN(const std::vector<v1::Sample> samples, store_.samples(id));
  if (active_.count(id)) watchers_.emplace(id, &watcher);
  watcher.on_event(session, samples);
  return absl::OkStatus();
}

void Sessions::unwatch(const std::string& id, Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = watchers_.equal_range(id);
  for (auto it = begin; it != end; ++it)
    if (it->second == &watcher) {
      watchers_.erase(it);
      return;
    }
}

void Sessions::notify(const v1::Session& session, const std::vector<v1::Sample>& new_samples) {
  const auto [begin, end] = watchers_.equal_range(session.id());
  for (auto it = begin; it != end; ++it) it->second->on_event(session, new_samples);
}

std::uint64_t Sessions::rejected_samples() const {
  const std::lock_guard lock(mutex_);
  return rejected_samples_;
}

}  // namespace gnomon::session
