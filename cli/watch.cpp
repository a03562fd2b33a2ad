#include "cli/watch.h"

#include <sys/eventfd.h>

#include <utility>

namespace gnomon::cli {

absl::StatusOr<std::unique_ptr<Watch>> Watch::start(Client& client, const std::string& session) {
  UniqueFd ready(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ready.valid()) return errno_status("eventfd");
  return std::unique_ptr<Watch>(new Watch(client, session, std::move(ready)));
}

Watch::Watch(Client& client, const std::string& session, UniqueFd ready)
    : client_(client), ready_(std::move(ready)), thread_([this, session] { read(session); }) {}

Watch::~Watch() {
  context_.TryCancel();
  thread_.join();
}

void Watch::read(const std::string& session) {
  v1::WatchSessionRequest request;
  request.set_id(session);
  const auto reader = client_.stub().WatchSession(&context_, request);
  for (v1::SessionEvent event; reader->Read(&event);) {
    {
      const std::lock_guard lock(mutex_);
      news_.events.push_back(std::move(event));
    }
    signal_ready();
    event.Clear();
  }
  const grpc::Status status = reader->Finish();
  {
    const std::lock_guard lock(mutex_);
    news_.ended = true;
    if (!status.ok()) news_.status = client_.explain(status);
  }
  signal_ready();
}

void Watch::signal_ready() {
  // Can only fail when the counter is full, and then the descriptor is readable already.
  const std::uint64_t one = 1;
  static_cast<void>(!::write(ready_.get(), &one, sizeof one));
}

Watch::News Watch::take() {
  std::uint64_t signalled = 0;
  static_cast<void>(!::read(ready_.get(), &signalled, sizeof signalled));
  const std::lock_guard lock(mutex_);
  News taken = std::move(news_);
  news_ = News{.events = {}, .ended = taken.ended, .status = taken.status};
  return taken;
}

}  // namespace gnomon::cli
