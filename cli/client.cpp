#include "cli/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "fmt/format.h"

namespace gnomon::cli {

Client Client::at(const std::string& address) {
  return {grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), address};
}

Client::Client(std::shared_ptr<grpc::Channel> channel, std::string name)
    : name_(std::move(name)), stub_(v1::QueryService::NewStub(std::move(channel))) {}

absl::Status Client::explain(const grpc::Status& status) const {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return absl::UnavailableError(
          fmt::format("no coordinator answers at {}: start gnomon-coordinator, or name another with --coordinator or "
                      "GNOMON_COORDINATOR",
                      name_));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(fmt::format("the coordinator at {} did not answer in time: try again", name_));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(fmt::format("{} is no coordinator of this version", name_));
    default:
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
}

}  // namespace gnomon::cli
