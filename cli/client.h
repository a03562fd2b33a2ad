#pragma once
// Calls to a coordinator, with errors that say what to do.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gnomon/v1/query.grpc.pb.h"

namespace gnomon::cli {

class Client {
 public:
  using Stub = v1::QueryService::Stub;

  // Does not connect yet. `address`: host:port or unix:PATH.
  static Client at(const std::string& address);
  // `name` stands for the coordinator in errors.
  Client(std::shared_ptr<grpc::Channel> channel, std::string name);

  // One call, of ten seconds at most: call(&Client::Stub::Apply, request).
  template <class Request, class Response>
  absl::StatusOr<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    Response response;
    if (const grpc::Status status = (stub().*method)(&context, request, &response); !status.ok())
      return explain(status);
    return response;
  }

  Stub& stub() { return *stub_; }
  // A failed call's status with a message for an operator.
  absl::Status explain(const grpc::Status& status) const;

 private:
  std::string name_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace gnomon::cli
