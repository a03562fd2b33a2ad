#pragma once
// What a service's frames say of one response.

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/protocol/client.h"

namespace gnomon::protocol {

class Http2Response {
 public:
  explicit Http2Response(std::size_t kept_body_bytes) : body_(kept_body_bytes), keep_(kept_body_bytes) {}
  void restart() { *this = Http2Response(keep_); }

  // Of its headers or trailers; no name: it is not known which (Http2HeaderDecoder::forget()).
  void field(std::string_view name, std::string_view value);
  void body(std::string_view piece) {
    if (status_ == 0) gap();  // its header was missed, and so may the body's beginning have been
    size_ += piece.size();
    body_.add(piece);
  }
  // What comes next of its body is not at hand.
  void gap() { body_.gap(); }
  // The service has ended it without an answer: no status, no body.
  void reset() {
    restart();
    reset_ = true;
  }

  // Of gRPC the status is grpc-status, or what the absence of one means (gRPC's http-grpc-status-mapping).
  Answer answer(std::uint64_t tag, bool grpc);
  // Its beginning may have been missed.
  Response whole(bool grpc);
  // Of one whose end is not known: its size is what its header says.
  Response so_far(bool grpc);

 private:
  std::uint32_t status_ = 0;
  std::optional<std::uint32_t> grpc_status_;
  std::optional<std::uint64_t> length_;
  std::uint64_t size_ = 0;
  bool unknown_fields_ = false, reset_ = false;
  Body body_;
  std::size_t keep_;
};

}  // namespace gnomon::protocol
