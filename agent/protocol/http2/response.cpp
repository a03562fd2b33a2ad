#include "agent/protocol/http2/response.h"

#include <charconv>
#include <utility>

namespace gnomon::protocol {
namespace {

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
enum GrpcStatus : std::uint32_t {
  kUnknown = 2,
  kDeadlineExceeded = 4,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// The codes that OpenTelemetry's conventions call a server's failure, and RESOURCE_EXHAUSTED, by which a service says
// that the load is too much for it. A method that production implements and the shadow does not (UNIMPLEMENTED) is a
// failure of the shadow.
bool is_failure(std::uint32_t status) {
  switch (status) {
    case kUnknown:
    case kDeadlineExceeded:
    case kResourceExhausted:
    case kUnimplemented:
    case kInternal:
    case kUnavailable:
    case kDataLoss:
      return true;
    default:
      return status > kUnauthenticated;  // no code of gRPC's
  }
}

std::uint32_t grpc_status_of_http(std::uint32_t status) {
  switch (status) {
    case 400:
      return kInternal;
    case 401:
      return kUnauthenticated;
    case 403:
      return kPermissionDenied;
    case 404:
      return kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return kUnavailable;
    default:
      return kUnknown;
  }
}

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

// An interim response's status is replaced by the next.
void Http2Response::field(std::string_view name, std::string_view value) {
  if (name == ":status") {
    status_ = number<std::uint32_t>(value).value_or(0);
  } else if (name == "grpc-status") {
    grpc_status_ = number<std::uint32_t>(value).value_or(kUnknown);
  } else if (name == "content-length") {
    length_ = number<std::uint64_t>(value);
  } else if (name.empty()) {
    unknown_fields_ = true;
  }
}

Answer Http2Response::answer(std::uint64_t tag, bool grpc) {
  Answer answer{.tag = tag, .status = status_, .error = status_ >= 500, .size = size_, .body = std::move(body_)};
  if (grpc) {
    answer.status = grpc_status_ ? *grpc_status_ : grpc_status_of_http(status_);
    answer.error = is_failure(answer.status);
  }
  return answer;
}

Response Http2Response::whole(bool grpc) {
  if (reset_) return {.status = 0, .size = 0, .body = {}};
  if (status_ == 0) return so_far(grpc);
  Answer all = answer(0, grpc);
  Response response{.status = all.status, .size = all.size, .body = std::move(all.body)};
  if (grpc && !grpc_status_ && unknown_fields_) response.status.reset();
  return response;
}

Response Http2Response::so_far(bool grpc) {
  Response response{.status = {}, .size = length_, .body = std::move(body_)};
  if (grpc) {
    response.status = grpc_status_;
  } else if (status_ >= 200) {
    response.status = status_;
  }
  return response;
}

}  // namespace gnomon::protocol
