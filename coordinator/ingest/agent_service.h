#pragma once
// The agents' end of the coordinator: one bidirectional stream a node. Translates, nothing more.

#include "coordinator/session/sessions.h"
#include "gnomon/v1/control.grpc.pb.h"

namespace gnomon::ingest {

// gRPC's callback API: a stream costs no thread, so that thousands of nodes may stay connected, and shutting the server
// down cancels them all. The streams keep themselves alive until gRPC is done with them.
class AgentService final : public v1::AgentService::CallbackService {
 public:
  explicit AgentService(session::Sessions& sessions) : sessions_(sessions) {}
  grpc::ServerBidiReactor<v1::AgentMessage, v1::CoordinatorMessage>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  session::Sessions& sessions_;
};

}  // namespace gnomon::ingest
