#pragma once
// What shall run where, and what became of it: documents, sessions and nodes. Everything is stored before anybody is
// told.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/clock.h"
#include "coordinator/store/store.h"
#include "gnomon/v1/query.pb.h"

namespace gnomon::session {

// A connected agent. Called with the sessions' lock held: must neither block nor call back.
class NodeListener {
 public:
  virtual ~NodeListener() = default;
  virtual void on_desired(const v1::DesiredState& state) = 0;
  virtual void on_replaced() = 0;  // the node has connected anew: this connection ends
};

// Someone who watches one session. Same rules. An event with session.ended_unix_ms() is the last.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_event(const v1::Session& session, const std::vector<v1::Sample>& new_samples) = 0;
};

// Thread-safe: one lock over everything, held while SQLite writes (a few writes a second and node).
class Sessions {
 public:
  // Loads what the store holds. `seed` is of the ids and of the sessions' own seeds.
  static absl::StatusOr<std::unique_ptr<Sessions>> create(store::Store& store, const Clock& clock, std::uint64_t seed);

  // All of the request or, on an error (which names the field), nothing. Every profile starts one session.
  absl::StatusOr<v1::ApplyResponse> apply(const v1::ApplyRequest& request);

  absl::StatusOr<v1::ListServicesResponse> list_services();
  absl::StatusOr<v1::ListNodesResponse> list_nodes();
  absl::StatusOr<v1::ListSessionsResponse> list_sessions();
  absl::StatusOr<v1::ListProfilesResponse> list_profiles();
  absl::StatusOr<v1::Session> get(const std::string& id, bool with_samples);
  // Ends a session and judges its completed blocks. One that has ended already is returned as it is.
  absl::StatusOr<v1::Session> stop(const std::string& id);

  // Changes a session that has not ended; its node is told at once.
  absl::StatusOr<v1::Session> adjust(const v1::AdjustSessionRequest& request);

  // Calls `watcher` with the session and its samples so far, then on every change until unwatch() or the session's end.
  absl::Status watch(const std::string& id, Watcher& watcher);
  void unwatch(const std::string& id, Watcher& watcher);

  // A node's stream begins; the desired state is sent at once. An older stream of the same node is replaced.
  absl::Status connect(const v1::Hello& hello, NodeListener& listener);
  void disconnect(const std::string& node, NodeListener& listener);
  absl::Status report(const std::string& node, const v1::NodeStatus& status);
  // Stores a batch. Samples that are malformed or of a session that is not the node's are counted and left out; an
  // error means that nothing was stored and the batch must come again.
  absl::Status add_samples(const std::string& node, const v1::SampleBatch& batch);
  std::uint64_t rejected_samples() const;

  // To be called about once a second: ends the sessions of nodes that stay away, says what others wait for.
  void sweep();

 private:
  struct Peer {
    store::Node stored;
    NodeListener* listener = nullptr;  // null: not connected
    v1::NodeStatus status;
    MonoTime last_seen{};
    std::uint64_t rejected_samples = 0;
  };
  struct Active {
    v1::Session session;
    std::optional<MonoTime> all_blocks_since;  // when its last block was reported
  };

  Sessions(store::Store& store, const Clock& clock, std::uint64_t seed) : store_(store), clock_(clock), random_(seed) {}
  absl::Status load();
  std::int64_t unix_ms() const;
  static bool all_blocks_completed(const v1::Session& session);

  // apply.cpp
  absl::Status check(const v1::ApplyRequest& request) const;
  absl::StatusOr<v1::Session> plan_session(const v1::ApplyRequest& request, const v1::ShadowInstanceProfile& profile);
  absl::StatusOr<std::string> new_id();

  // lifecycle.cpp; all under the lock
  absl::Status place(Active& active);
  absl::Status place_waiting();
  std::string waiting_message(const std::string& service) const;
  absl::Status publish(const std::string& node, bool always);
  absl::Status publish_all();
  absl::Status merge(Active& active, const v1::SessionStatus& reported);
  absl::Status finish(const std::string& id, v1::SessionState state, const std::string& message);
  absl::Status judge(v1::Session& session);
  void notify(const v1::Session& session, const std::vector<v1::Sample>& new_samples);
  absl::StatusOr<v1::Session> find(const std::string& id) const;

  store::Store& store_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::map<std::string, v1::ServiceDescriptor> services_;
  std::map<std::string, Peer> peers_;
  std::map<std::string, Active> active_;  // sessions that have not ended
  std::multimap<std::string, Watcher*> watchers_;
  std::uint64_t rejected_samples_ = 0;
};

}  // namespace gnomon::session
