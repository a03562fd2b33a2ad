#pragma once
// Classes of endpoint and stable hashes, for all protocols that need them.

#include <cstdint>
#include <string>
#include <string_view>

namespace gnomon::protocol {

// "GET" and "/users/4711/orders?page=2" make "GET /users/{}/orders": the query is left out, a segment that looks like
// an identifier (has a digit, or more than 32 characters) becomes {}, and of more than five segments the rest becomes
// "…".
std::string http_endpoint(std::string_view method, std::string_view target);

// FNV-1a, 64 bits, with a final mix: the same on every node and in every release.
std::uint64_t stable_hash(std::string_view text);

// Of a word that a protocol has as a status: a number that stands for it, other than 0, which is no status.
inline std::uint32_t status_of(std::string_view word) {
  return static_cast<std::uint32_t>(stable_hash(word)) | 1u;
}

}  // namespace gnomon::protocol
