#pragma once
// What the coordinator must not forget, in one SQLite file (WAL, every commit on disk before it returns). One process
// at a time opens it; its caller serialises the calls (session::Sessions holds one mutex over them).

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/store/sqlite.h"
#include "gnomon/v1/query.pb.h"

namespace gnomon::store {

struct Node {
  v1::Hello hello;
  std::int64_t last_seen_unix_ms = 0;
  v1::DesiredState desired;  // as last published, with its revision
};

class Store {
 public:
  // Opens or creates the file at `path` and its directory; ":memory:" keeps nothing. Errors name the path: not
  // writable, not a database, used by another coordinator, written by a newer version.
  static absl::StatusOr<std::unique_ptr<Store>> open(const std::string& path);

  absl::Status put_node(const Node& node);
  absl::StatusOr<std::vector<Node>> nodes() const;

  absl::Status put_service(const v1::ServiceDescriptor& service);
  absl::StatusOr<std::vector<v1::ServiceDescriptor>> services() const;

  absl::Status put_profile(const v1::Profile& profile);
  absl::StatusOr<std::vector<v1::Profile>> profiles() const;

  // Samples are kept apart: those in `session` are not stored.
  absl::Status put_session(const v1::Session& session);
  absl::StatusOr<v1::Session> session(const std::string& id) const;  // kNotFound: no such session
  absl::StatusOr<std::vector<v1::Session>> sessions() const;         // oldest first
  absl::StatusOr<std::vector<v1::Session>> sessions_not_ended() const;

  // `batch` and the sample's place in it tell two samples of one moment apart from one sample that was sent twice.
  // Returns whether the sample is new: storing it again changes nothing.
  absl::StatusOr<bool> add_sample(const v1::Sample& sample, std::uint64_t batch, int position);
  // All samples of a session in order of time; `settled` is false on those that were discarded.
  absl::StatusOr<std::vector<v1::Sample>> samples(const std::string& session) const;
  // Settled samples of blocks other than `completed` count no longer. Returns how many there were.
  absl::StatusOr<int> discard_incomplete(const std::string& session, const std::vector<int>& completed);

  // Everything done to the store until commit(), or nothing: rolled back on destruction.
  class Transaction {
   public:
    explicit Transaction(Store& store);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    absl::Status commit();

   private:
    Store& store_;
    absl::Status begun_;
    bool open_ = false;
  };

 private:
  explicit Store(DatabasePtr database) : database_(std::move(database)) {}
  absl::StatusOr<std::vector<v1::Session>> read_sessions(const char* sql) const;
  DatabasePtr database_;
};

}  // namespace gnomon::store
