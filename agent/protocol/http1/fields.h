#pragma once
// What header fields say about a message's framing, for requests and responses alike.

#include <cstdint>
#include <optional>
#include <string_view>

namespace gnomon::protocol {

struct Http1Fields {
  std::optional<std::uint64_t> length;
  bool transfer_encoding = false;  // there is a Transfer-Encoding field
  bool chunked = false;            // … and its last coding is chunked
  bool close = false, keep_alive = false, upgrade = false;
  bool expects_continue = false;  // the client waits for an interim response before it sends the body

  // Takes in one field line, without its line end, in which there is no CR and no NUL: whoever found the line's end has
  // looked for them. False: malformed (name, space before the colon, obs-fold), or its length or coding is not certain
  // (differing or bad lengths, chunked applied twice).
  bool add(std::string_view line);
};

// As field names compare: in ASCII, whatever the locale.
bool equals_ignoring_case(std::string_view a, std::string_view b);

// Without the spaces and tabs around it.
std::string_view trim_blanks(std::string_view text);

// RFC 9110 token: a method or field name.
bool is_http1_token(std::string_view text);

// The size on a chunk's first line, extensions passed over. Nullopt: not exactly hexadecimal digits, or above 2^63.
std::optional<std::uint64_t> parse_http1_chunk_size(std::string_view line);

// "HTTP/1.x": x, else -1.
int http1_minor_version(std::string_view text);

}  // namespace gnomon::protocol
