#pragma once
// A captured HTTP/2 request in the form in which it is kept: independent of its connection's HPACK state, so that each
// replay can encode it with its own. In memory only (integers in the host's order):
//
//   u32 size of the header list | u32 size of the body | header list | body | trailer list
//
// A list is a sequence of fields: u32 size of the name | u32 size of the value | name | value, where the value's size
// has its highest bit set if the field must never be indexed (RFC 7541 §7.1.3). Names and values are as received, in
// their order, pseudo-header fields first.

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace gnomon::protocol {

struct Http2Field {
  std::string_view name, value;
  bool never_indexed = false;
};

constexpr std::size_t kHttp2FieldOverhead = 8, kHttp2UnitOverhead = 8;

// Sizes must be below 2^31.
void append_http2_field(const Http2Field& field, std::string& list);

// Removes the first field of a list. Nullopt: the list is empty or malformed.
std::optional<Http2Field> take_http2_field(std::string_view& list);

// Views into a unit's bytes.
struct Http2Unit {
  std::string_view headers, body, trailers;  // lists, and the body as it is

  static std::optional<Http2Unit> of(std::string_view bytes);           // nullopt: the sizes do not fit
  std::optional<std::string_view> header(std::string_view name) const;  // of the first field of that name
};

// The first bytes of a unit; its body and trailers are appended after the header list.
std::string begin_http2_unit(std::string_view headers);
void set_http2_body_size(std::string& unit, std::uint32_t size);

// gRPC over HTTP/2, by its content-type; gRPC-Web is not: its status is in the body.
bool is_grpc(std::string_view content_type);

}  // namespace gnomon::protocol
