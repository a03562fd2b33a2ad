#pragma once
// What people and programs ask of the coordinator, over gRPC. Handlers translate; session::Sessions knows.

#include "coordinator/session/sessions.h"
#include "gnomon/v1/query.grpc.pb.h"

namespace gnomon::api {

// gRPC's callback API: unary calls answer where they arrive, watching costs no thread.
class QueryService final : public v1::QueryService::CallbackService {
 public:
  explicit QueryService(session::Sessions& sessions) : sessions_(sessions) {}

  grpc::ServerUnaryReactor* Apply(grpc::CallbackServerContext* context, const v1::ApplyRequest* request,
                                  v1::ApplyResponse* response) override;
  grpc::ServerUnaryReactor* ListServices(grpc::CallbackServerContext* context, const v1::ListServicesRequest* request,
                                         v1::ListServicesResponse* response) override;
  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context, const v1::ListNodesRequest* request,
                                      v1::ListNodesResponse* response) override;
  grpc::ServerUnaryReactor* ListSessions(grpc::CallbackServerContext* context, const v1::ListSessionsRequest* request,
                                         v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* ListProfiles(grpc::CallbackServerContext* context, const v1::ListProfilesRequest* request,
                                         v1::ListProfilesResponse* response) override;
  grpc::ServerUnaryReactor* GetSession(grpc::CallbackServerContext* context, const v1::GetSessionRequest* request,
                                       v1::Session* response) override;
  grpc::ServerUnaryReactor* StopSession(grpc::CallbackServerContext* context, const v1::StopSessionRequest* request,
                                        v1::Session* response) override;
  grpc::ServerUnaryReactor* AdjustSession(grpc::CallbackServerContext* context, const v1::AdjustSessionRequest* request,
                                          v1::Session* response) override;
  grpc::ServerWriteReactor<v1::SessionEvent>* WatchSession(grpc::CallbackServerContext* context,
                                                           const v1::WatchSessionRequest* request) override;

 private:
  session::Sessions& sessions_;
};

}  // namespace gnomon::api
