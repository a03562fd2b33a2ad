#pragma once
// WatchSession as something to wait for.

#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cli/client.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace gnomon::cli {

// A thread reads the stream from construction to its end; destruction cancels the call and joins the thread.
class Watch {
 public:
  static absl::StatusOr<std::unique_ptr<Watch>> start(Client& client, const std::string& session);
  ~Watch();

  // Readable when there is something to take.
  int fd() const { return ready_.get(); }

  struct News {
    std::vector<v1::SessionEvent> events;
    bool ended = false;   // no more will come, and
    absl::Status status;  // why, unless the session has ended
  };
  News take();

 private:
  Watch(Client& client, const std::string& session, UniqueFd ready);
  void read(const std::string& session);
  void signal_ready();

  Client& client_;
  UniqueFd ready_;
  grpc::ClientContext context_;
  std::mutex mutex_;
  News news_;
  std::thread thread_;
};

}  // namespace gnomon::cli
