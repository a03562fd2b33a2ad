#include "agent/protocol/endpoint.h"

#include <algorithm>

namespace gnomon::protocol {
namespace {

constexpr std::size_t kSegments = 5;
constexpr std::size_t kWordLength = 32;

bool is_identifier(std::string_view segment) {
  return segment.size() > kWordLength ||
         std::any_of(segment.begin(), segment.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string http_endpoint(std::string_view method, std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos) {  // absolute form
    const auto path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  std::string endpoint(method);
  endpoint += ' ';
  if (target.empty() || target.front() != '/') return endpoint.append(target.substr(0, kWordLength));
  for (std::size_t segments = 0; !target.empty(); ++segments) {
    target.remove_prefix(1);
    const std::string_view segment = target.substr(0, target.find('/'));
    target.remove_prefix(segment.size());
    if (segments == kSegments) return endpoint.append("/…");
    endpoint += '/';
    endpoint.append(is_identifier(segment) ? "{}" : segment);
  }
  return endpoint;
}

std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash ^= hash >> 32;  // FNV leaves the high bits of short texts alike
  return hash * 0x9e3779b97f4a7c15u;
}

}  // namespace gnomon::protocol
