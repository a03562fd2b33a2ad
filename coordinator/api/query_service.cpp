#include "coordinator/api/query_service.h"

#include <string>
#include <utility>

#include "coordinator/api/session_watch.h"

namespace gnomon::api {
namespace {

// Ends a unary call with the result of the domain call. Absl's codes are gRPC's.
template <class Response>
grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, absl::StatusOr<Response> result,
                                 Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (result.ok()) {
    *response = *std::move(result);
    reactor->Finish(grpc::Status::OK);
  } else {
    reactor->Finish(
        grpc::Status(static_cast<grpc::StatusCode>(result.status().code()), std::string(result.status().message())));
  }
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* QueryService::Apply(grpc::CallbackServerContext* context, const v1::ApplyRequest* request,
                                              v1::ApplyResponse* response) {
  return answer(context, sessions_.apply(*request), response);
}

grpc::ServerUnaryReactor* QueryService::ListServices(grpc::CallbackServerContext* context,
                                                     const v1::ListServicesRequest*,
                                                     v1::ListServicesResponse* response) {
  return answer(context, sessions_.list_services(), response);
}

grpc::ServerUnaryReactor* QueryService::ListNodes(grpc::CallbackServerContext* context, const v1::ListNodesRequest*,
                                                  v1::ListNodesResponse* response) {
  return answer(context, sessions_.list_nodes(), response);
}

grpc::ServerUnaryReactor* QueryService::ListSessions(grpc::CallbackServerContext* context,
                                                     const v1::ListSessionsRequest*,
                                                     v1::ListSessionsResponse* response) {
  return answer(context, sessions_.list_sessions(), response);
}

grpc::ServerUnaryReactor* QueryService::ListProfiles(grpc::CallbackServerContext* context,
                                                     const v1::ListProfilesRequest*,
                                                     v1::ListProfilesResponse* response) {
  return answer(context, sessions_.list_profiles(), response);
}

grpc::ServerUnaryReactor* QueryService::GetSession(grpc::CallbackServerContext* context,
                                                   const v1::GetSessionRequest* request, v1::Session* response) {
  return answer(context, sessions_.get(request->id(), request->with_samples()), response);
}

grpc::ServerUnaryReactor* QueryService::StopSession(grpc::CallbackServerContext* context,
                                                    const v1::StopSessionRequest* request, v1::Session* response) {
  return answer(context, sessions_.stop(request->id()), response);
}

grpc::ServerUnaryReactor* QueryService::AdjustSession(grpc::CallbackServerContext* context,
                                                      const v1::AdjustSessionRequest* request, v1::Session* response) {
  return answer(context, sessions_.adjust(*request), response);
}

grpc::ServerWriteReactor<v1::SessionEvent>* QueryService::WatchSession(grpc::CallbackServerContext*,
                                                                       const v1::WatchSessionRequest* request) {
  return new SessionWatch(sessions_, request->id());
}

}  // namespace gnomon::api
