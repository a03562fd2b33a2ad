#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {
namespace {

constexpr std::uint32_t kNeverIndexed = 1u << 31;

void append_number(std::uint32_t number, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

std::uint32_t number_at(std::string_view bytes, std::size_t offset) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

}  // namespace

void append_http2_field(const Http2Field& field, std::string& list) {
  append_number(static_cast<std::uint32_t>(field.name.size()), list);
  append_number(static_cast<std::uint32_t>(field.value.size()) | (field.never_indexed ? kNeverIndexed : 0), list);
  list.append(field.name).append(field.value);
}

std::optional<Http2Field> take_http2_field(std::string_view& list) {
  if (list.size() < kHttp2FieldOverhead) return std::nullopt;
  const std::size_t name = number_at(list, 0);
  const std::uint32_t flagged = number_at(list, sizeof(std::uint32_t));
  const std::size_t value = flagged & ~kNeverIndexed;
  if (name + value > list.size() - kHttp2FieldOverhead) return std::nullopt;
  const Http2Field field{.name = list.substr(kHttp2FieldOverhead, name),
                         .value = list.substr(kHttp2FieldOverhead + name, value),
                         .never_indexed = (flagged & kNeverIndexed) != 0};
  list.remove_prefix(kHttp2FieldOverhead + name + value);
  return field;
}

std::optional<Http2Unit> Http2Unit::of(std::string_view bytes) {
  if (bytes.size() < kHttp2UnitOverhead) return std::nullopt;
  const std::size_t headers = number_at(bytes, 0), body = number_at(bytes, sizeof(std::uint32_t));
  bytes.remove_prefix(kHttp2UnitOverhead);
  if (headers + body > bytes.size()) return std::nullopt;
  return Http2Unit{.headers = bytes.substr(0, headers),
                   .body = bytes.substr(headers, body),
                   .trailers = bytes.substr(headers + body)};
}

std::optional<std::string_view> Http2Unit::header(std::string_view name) const {
  std::string_view rest = headers;
  while (const auto field = take_http2_field(rest))
    if (field->name == name) return field->value;
  return std::nullopt;
}

std::string begin_http2_unit(std::string_view headers) {
  std::string unit;
  unit.reserve(kHttp2UnitOverhead + headers.size());
  append_number(static_cast<std::uint32_t>(headers.size()), unit);
  append_number(0, unit);
  return unit.append(headers);
}

void set_http2_body_size(std::string& unit, std::uint32_t size) {
  std::memcpy(unit.data() + sizeof(std::uint32_t), &size, sizeof(size));
}

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view kType = "application/grpc";
  if (!content_type.starts_with(kType)) return false;
  content_type.remove_prefix(kType.size());
  return content_type.empty() || content_type.front() == '+' || content_type.front() == ';';
}

}  // namespace gnomon::protocol
