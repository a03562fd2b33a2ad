#include "agent/protocol/http2/fields.h"

#include <nghttp2/nghttp2.h>

#include <charconv>

namespace gnomon::protocol {
namespace {

const std::uint8_t* octets(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

bool valid_name(std::string_view name) {
  return nghttp2_check_header_name(octets(name), name.size()) != 0;
}

bool valid_value(std::string_view value) {
  return nghttp2_check_header_value_rfc9113(octets(value), value.size()) != 0;
}

// RFC 9113 §8.2.2: of a connection, not of a message.
bool of_connection(const Http2Field& field) {
  const std::string_view name = field.name;
  switch (name.size()) {
    case 2:
      return name == "te" && field.value != "trailers";
    case 7:
      return name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

}  // namespace

bool Http2RequestFields::add(const Http2Field& field, std::size_t offset) {
  if (!valid_name(field.name) || !valid_value(field.value)) return false;
  return field.name.front() == ':' ? pseudo(field, offset) : regular(field);
}

bool Http2RequestFields::pseudo(const Http2Field& field, std::size_t offset) {
  Value* const value = field.name == ":method"      ? &method_
                       : field.name == ":path"      ? &path_
                       : field.name == ":scheme"    ? &scheme_
                       : field.name == ":authority" ? &authority_
                       : field.name == ":protocol"  ? &protocol_
                                                    : nullptr;
  if (value == nullptr || value->found() || regular_seen_) return false;
  *value = {.offset = offset + kHttp2FieldOverhead + field.name.size(), .size = field.value.size()};
  if (value == &method_) {
    connect_ = field.value == "CONNECT";
    return nghttp2_check_method(octets(field.value), field.value.size()) != 0;
  }
  if (value == &path_)
    return !field.value.empty() && (field.value.front() == '/' || field.value == "*") &&
           nghttp2_check_path(octets(field.value), field.value.size()) != 0;
  return true;
}

bool Http2RequestFields::regular(const Http2Field& field) {
  regular_seen_ = true;
  if (of_connection(field)) return false;
  if (field.name == "content-length") {
    std::uint64_t length = 0;
    const char* const last = field.value.data() + field.value.size();
    const auto [end, error] = std::from_chars(field.value.data(), last, length);
    if (field.value.empty() || error != std::errc() || end != last || length_.value_or(length) != length) return false;
    length_ = length;
  } else if (field.name == "content-type") {
    grpc_ = is_grpc(field.value);
  }
  return true;
}

bool Http2RequestFields::complete() const {
  if (!method_.found()) return false;
  if (connect_ && !protocol_.found()) return authority_.found() && !scheme_.found() && !path_.found();
  return scheme_.found() && path_.found() && (connect_ || !protocol_.found());
}

bool valid_http2_trailer(const Http2Field& field) {
  return valid_name(field.name) && field.name.front() != ':' && valid_value(field.value) && !of_connection(field);
}

}  // namespace gnomon::protocol
