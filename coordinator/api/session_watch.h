#pragma once
// One client that watches one session.

#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/session/sessions.h"
#include "gnomon/v1/query.grpc.pb.h"

namespace gnomon::api {

// Deletes itself when gRPC is done with it. A client that reads slowly gets the latest state instead of every one, and
// all samples; one that falls more than kBacklog samples behind is ended with RESOURCE_EXHAUSTED rather than shown a
// gap.
class SessionWatch final : public grpc::ServerWriteReactor<v1::SessionEvent>, public session::Watcher {
 public:
  SessionWatch(session::Sessions& sessions, std::string id);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void on_event(const v1::Session& session, const std::vector<v1::Sample>& new_samples) override;

 private:
  static constexpr std::size_t kBacklog = 200'000;
  void end(grpc::Status status);
  void write_next();

  session::Sessions& sessions_;
  const std::string id_;
  std::mutex mutex_;  // taken after the sessions' lock, never before it
  v1::SessionEvent outgoing_;
  v1::Session session_;
  bool changed_ = false;
  std::deque<v1::Sample> samples_;
  std::optional<grpc::Status> ending_;
  bool last_ = false, writing_ = false, finished_ = false;
};

}  // namespace gnomon::api
