#pragma once
// The client's half of HTTP/2 connections for tests: frames by hand, header blocks by nghttp2's encoder.

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/protocol/http2/unit.h"
#include "agent/protocol/request.h"

namespace gnomon::protocol {

using Http2FieldList = std::vector<std::pair<std::string, std::string>>;

constexpr std::uint8_t kEnd = 0x1, kWhole = 0x4, kPadding = 0x8, kWeight = 0x20;  // flags

inline std::string http2_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string frame;
  for (const std::size_t byte : {payload.size() >> 16, payload.size() >> 8, payload.size()})
    frame += static_cast<char>(byte);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  return frame.append(payload);
}

// Its dynamic table grows with what it encodes, as a connection's does.
class Http2Encoder {
 public:
  Http2Encoder() { nghttp2_hd_deflate_new(&deflater_, 4096); }
  ~Http2Encoder() { nghttp2_hd_deflate_del(deflater_); }
  Http2Encoder(const Http2Encoder&) = delete;
  Http2Encoder& operator=(const Http2Encoder&) = delete;

  std::string block(const Http2FieldList& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields)
      list.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                      static_cast<std::uint8_t>(name == "authorization" ? NGHTTP2_NV_FLAG_NO_INDEX : 0)});
    std::string bytes(nghttp2_hd_deflate_bound(deflater_, list.data(), list.size()), '\0');
    const auto size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size(),
                                            list.data(), list.size());
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
  }
  std::string headers(std::uint32_t stream, const Http2FieldList& fields, std::uint8_t flags = kEnd | kWhole) {
    return http2_frame(1, flags, stream, block(fields));
  }
  nghttp2_hd_deflater* deflater() { return deflater_; }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

inline Http2FieldList get(const std::string& path) {
  return {{":method", "GET"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", path}, {"x-user", "u7"}};
}

inline Http2FieldList post(const std::string& path, Http2FieldList more = {}) {
  Http2FieldList fields = {{":method", "POST"}, {":scheme", "http"}, {":authority", "a.example"}, {":path", path}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

// As a framer hands it over.
inline Request request_of(const Http2FieldList& headers, const std::string& body = "",
                          const Http2FieldList& trailers = {}) {
  std::string list, unit;
  for (const auto& [name, value] : headers) append_http2_field({.name = name, .value = value}, list);
  unit = begin_http2_unit(list) + body;
  set_http2_body_size(unit, static_cast<std::uint32_t>(body.size()));
  for (const auto& [name, value] : trailers) append_http2_field({.name = name, .value = value}, unit);
  Request request;
  request.bytes = std::make_shared<const std::string>(std::move(unit));
  return request;
}

}  // namespace gnomon::protocol
