#include "agent/protocol/http1/fields.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gnomon::protocol {
namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = make_token_table();

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Calls `take` with each element of a comma-separated list, trimmed; stops and returns false when it does.
template <class Take>
bool each_element(std::string_view list, Take take) {
  while (true) {
    const auto comma = list.find(',');
    if (!take(trim_blanks(list.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

// Whole text as a number below 2^63, so that sums of a length and a position cannot wrap.
std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value >> 63) return std::nullopt;
  return value;
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim_blanks(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_http1_token(std::string_view text) {
  for (char c : text)
    if (!kToken[static_cast<unsigned char>(c)]) return false;
  return !text.empty();
}

bool Http1Fields::add(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_http1_token(line.substr(0, colon))) return false;
  const std::string_view name = line.substr(0, colon), value = line.substr(colon + 1);
  switch (name.size()) {
    case 6:
      if (equals_ignoring_case(name, "expect") && equals_ignoring_case(trim_blanks(value), "100-continue"))
        expects_continue = true;
      return true;
    case 7:
      if (equals_ignoring_case(name, "upgrade")) upgrade = true;
      return true;
    case 10:
      if (!equals_ignoring_case(name, "connection")) return true;
      return each_element(value, [this](std::string_view option) {
        if (equals_ignoring_case(option, "close")) close = true;
        if (equals_ignoring_case(option, "keep-alive")) keep_alive = true;
        return true;
      });
    case 14:
      if (!equals_ignoring_case(name, "content-length")) return true;
      // Repeated equal lengths are one length (RFC 9112 §6.3); anything else is an attack or a mistake.
      return each_element(value, [this](std::string_view text) {
        const auto number = parse_number(text, 10);
        if (!number || (length && *length != *number)) return false;
        length = number;
        return true;
      });
    case 17:
      if (!equals_ignoring_case(name, "transfer-encoding")) return true;
      transfer_encoding = true;
      return each_element(value, [this](std::string_view coding) {
        if (coding.empty()) return true;
        if (chunked) return false;  // chunked must be the last coding, and only once
        chunked = equals_ignoring_case(coding, "chunked");
        return true;
      });
    default:
      return true;
  }
}

std::optional<std::uint64_t> parse_http1_chunk_size(std::string_view line) {
  std::string_view size = line.substr(0, line.find(';'));
  // Whitespace is allowed only between the size and the semicolon of an extension (RFC 9112 §7.1.1).
  if (size.size() != line.size()) size = size.substr(0, size.find_last_not_of(" \t") + 1);
  return parse_number(size, 16);
}

int http1_minor_version(std::string_view text) {
  if (text.size() != 8 || text.substr(0, 7) != "HTTP/1." || text[7] < '0' || text[7] > '9') return -1;
  return text[7] - '0';
}

}  // namespace gnomon::protocol
