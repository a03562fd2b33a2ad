#pragma once
// The load on the shadow: a replayer on a thread of its own, which lives in the network namespace that reaches the
// shadow.

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/replay/replayer.h"

namespace gnomon::session {

class Load {
 public:
  // `netns` is entered by the thread for good; all the replayer's sockets are made there.
  static absl::StatusOr<std::unique_ptr<Load>> start(int netns, replay::Target target, replay::Limits limits,
                                                     std::uint64_t seed);
  ~Load();  // closes every connection and joins the thread

  // From any thread, in order.
  void offer(std::vector<protocol::Request> requests);
  void end_connection(std::uint64_t conn_id);

  // From any thread but the replayer's; they wait for it.
  void set_phase(const replay::Phase& phase);
  void flush();
  std::size_t outstanding();  // copies scheduled, or sent and not answered
  std::vector<replay::Reading> take();

 private:
  struct Impl;
  explicit Load(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gnomon::session
