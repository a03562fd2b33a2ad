#pragma once
// What a request's fields must be to be well-formed (RFC 9113 §8.2, §8.3), and what they say about the request.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {

class Http2RequestFields {
 public:
  // Takes in the next field of the header list; `offset`: where in the list it is appended. False: the request is
  // malformed, and a service refuses it.
  bool add(const Http2Field& field, std::size_t offset);
  // The list is whole. False: it lacks what a request must have.
  bool complete() const;

  bool connect(std::string_view list) const { return protocol_.found() || method(list) == "CONNECT"; }
  std::string_view method(std::string_view list) const { return method_.of(list); }
  std::string_view path(std::string_view list) const { return path_.of(list); }
  bool grpc() const { return grpc_; }
  std::optional<std::uint64_t> length() const { return length_; }

 private:
  struct Value {  // in the list, which may move
    std::size_t offset = 0, size = 0;
    bool found() const { return offset != 0; }
    std::string_view of(std::string_view list) const { return list.substr(offset, size); }
  };
  bool pseudo(const Http2Field& field, std::size_t offset);
  bool regular(const Http2Field& field);

  Value method_, scheme_, authority_, path_, protocol_;
  std::optional<std::uint64_t> length_;
  bool regular_seen_ = false, grpc_ = false, connect_ = false;
};

// A field of the trailers.
bool valid_http2_trailer(const Http2Field& field);

}  // namespace gnomon::protocol
