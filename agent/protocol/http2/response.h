#pragma once
// What a service's fields say of one response.

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/protocol/client.h"

namespace gnomon::protocol {

class Http2Response {
 public:
  explicit Http2Response(bool grpc = false) : grpc_(grpc) {}
  void restart() { *this = Http2Response(grpc_); }

  void field(std::string_view name, std::string_view value);  // of its headers or trailers
  void body(std::size_t size) { size_ += size; }

  // Of gRPC the status is grpc-status, or what the absence of one means (gRPC's http-grpc-status-mapping).
  Answer answer(std::uint64_t tag) const;

 private:
  bool grpc_;
  std::uint32_t status_ = 0;
  std::optional<std::uint32_t> grpc_status_;
  std::uint64_t size_ = 0;
};

}  // namespace gnomon::protocol
