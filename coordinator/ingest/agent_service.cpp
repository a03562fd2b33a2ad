#include "coordinator/ingest/agent_service.h"

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "common/log.h"

namespace gnomon::ingest {
namespace {

// Absl's codes are gRPC's.
grpc::Status to_grpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

// Deletes itself when gRPC is done with it. Reads one message at a time, and acts on it before it reads the next, so
// that an agent cannot flood the coordinator; keeps of what it has to say only the latest of each kind.
class AgentStream final : public grpc::ServerBidiReactor<v1::AgentMessage, v1::CoordinatorMessage>,
                          public session::NodeListener {
 public:
  explicit AgentStream(session::Sessions& sessions) : sessions_(sessions) { StartRead(&incoming_); }

  void OnReadDone(bool ok) override {
    if (!ok) return end(grpc::Status::OK);
    const absl::Status handled = handle();
    if (!handled.ok()) {
      SPDLOG_WARN("agent {}: {}", node_, std::string(handled.message()));
      return end(to_grpc(handled));
    }
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok && !ending_) ending_ = grpc::Status(grpc::StatusCode::CANCELLED, "the agent is gone");
    write_next();
  }

  void OnCancel() override { end(grpc::Status::CANCELLED); }

  void OnDone() override {
    if (!node_.empty()) sessions_.disconnect(node_, *this);
    delete this;
  }

  void on_desired(const v1::DesiredState& state) override {
    const std::lock_guard lock(mutex_);
    desired_ = state;
    write_next();
  }

  void on_replaced() override { end(grpc::Status(grpc::StatusCode::ABORTED, "the node has connected anew")); }

 private:
  absl::Status handle() {
    if (node_.empty() != incoming_.has_hello()) return absl::InvalidArgumentError("a stream begins with one hello");
    switch (incoming_.message_case()) {
      case v1::AgentMessage::kHello:
        if (incoming_.hello().node().empty()) return absl::InvalidArgumentError("hello.node: is empty");
        node_ = incoming_.hello().node();
        return sessions_.connect(incoming_.hello(), *this);
      case v1::AgentMessage::kStatus:
        return sessions_.report(node_, incoming_.status());
      case v1::AgentMessage::kSamples:
        break;
      case v1::AgentMessage::MESSAGE_NOT_SET:
        return absl::InvalidArgumentError("a message of a kind that this coordinator does not know: upgrade it");
    }
    const absl::Status stored = sessions_.add_samples(node_, incoming_.samples());
    if (stored.ok()) acknowledge(incoming_.samples().sequence());
    return stored;
  }

  void acknowledge(std::uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    acknowledged_ = sequence;
    write_next();
  }

  void end(grpc::Status status) {
    const std::lock_guard lock(mutex_);
    if (!ending_) ending_ = std::move(status);
    write_next();
  }

  // Under the lock: starts the next write, or finishes once the last one is over.
  void write_next() {
    if (writing_ || finished_) return;
    if (ending_) {
      finished_ = true;
      return Finish(*ending_);
    }
    outgoing_.Clear();
    if (desired_) {
      *outgoing_.mutable_desired_state() = *std::move(desired_);
      desired_.reset();
    } else if (acknowledged_) {
      outgoing_.mutable_sample_ack()->set_sequence(*acknowledged_);
      acknowledged_.reset();
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&outgoing_);
  }

  session::Sessions& sessions_;
  std::string node_;  // empty before the hello; set and read by the reading side alone
  v1::AgentMessage incoming_;

  std::mutex mutex_;  // taken after the sessions' lock, never before it
  v1::CoordinatorMessage outgoing_;
  std::optional<v1::DesiredState> desired_;
  std::optional<std::uint64_t> acknowledged_;
  std::optional<grpc::Status> ending_;
  bool writing_ = false, finished_ = false;
};

}  // namespace

grpc::ServerBidiReactor<v1::AgentMessage, v1::CoordinatorMessage>* AgentService::Connect(grpc::CallbackServerContext*) {
  return new AgentStream(sessions_);
}

}  // namespace gnomon::ingest
