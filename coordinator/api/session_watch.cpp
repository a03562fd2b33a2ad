#include "coordinator/api/session_watch.h"

#include <utility>

namespace gnomon::api {
namespace {

// Keeps an event far below gRPC's usual limit of 4 MB a message.
constexpr int kSamplesPerEvent = 200;

}  // namespace

SessionWatch::SessionWatch(session::Sessions& sessions, std::string id) : sessions_(sessions), id_(std::move(id)) {
  const absl::Status watching = sessions_.watch(id_, *this);
  if (!watching.ok())
    end(grpc::Status(static_cast<grpc::StatusCode>(watching.code()), std::string(watching.message())));
}

void SessionWatch::on_event(const v1::Session& session, const std::vector<v1::Sample>& new_samples) {
  const std::lock_guard lock(mutex_);
  session_ = session;
  changed_ = true;
  last_ = session.ended_unix_ms() != 0;
  samples_.insert(samples_.end(), new_samples.begin(), new_samples.end());
  if (samples_.size() > kBacklog && !ending_)
    ending_ =
        grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the watcher reads too slowly; watch the session again");
  write_next();
}

void SessionWatch::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  if (!ok && !ending_) ending_ = grpc::Status::CANCELLED;
  write_next();
}

void SessionWatch::OnCancel() {
  end(grpc::Status::CANCELLED);
}

void SessionWatch::OnDone() {
  sessions_.unwatch(id_, *this);
  delete this;
}

void SessionWatch::end(grpc::Status status) {
  const std::lock_guard lock(mutex_);
  if (!ending_) ending_ = std::move(status);
  write_next();
}

// Under the lock: starts the next write, or finishes once the last one is over.
void SessionWatch::write_next() {
  if (writing_ || finished_) return;
  if (!ending_ && !changed_ && samples_.empty() && last_) ending_ = grpc::Status::OK;
  if (ending_) {
    finished_ = true;
    return Finish(*ending_);
  }
  if (!changed_ && samples_.empty()) return;
  outgoing_.Clear();
  *outgoing_.mutable_session() = session_;
  while (!samples_.empty() && outgoing_.samples_size() < kSamplesPerEvent) {
    *outgoing_.add_samples() = std::move(samples_.front());
    samples_.pop_front();
  }
  // The end is told with the last samples, not before them.
  if (last_ && !samples_.empty()) outgoing_.mutable_session()->clear_ended_unix_ms();
  changed_ = last_ && !samples_.empty();
  writing_ = true;
  StartWrite(&outgoing_);
}

}  // namespace gnomon::api
