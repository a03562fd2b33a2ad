#pragma once
// The messages' outer form: a type, a length that counts itself, a body. Whole numbers are big-endian.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gnomon::protocol::pg {

inline constexpr std::size_t kMessageHeader = 5;

constexpr std::uint32_t read_u32(std::string_view bytes) {  // of at least 4
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

inline void append_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

inline void append_message(std::string& out, char type, std::string_view body) {
  out += type;
  append_u32(out, static_cast<std::uint32_t>(body.size() + 4));
  out += body;
}

// The text up to the zero that ends it, taken off the front; nullopt: there is none.
inline std::optional<std::string_view> take_text(std::string_view& body) {
  const auto end = body.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = body.substr(0, end);
  body.remove_prefix(end + 1);
  return text;
}

struct Message {
  char type = 0;
  std::string_view body;
  std::string_view bytes;  // with type and length
};

// The next whole message, taken off the front; nullopt: there is none.
inline std::optional<Message> take_message(std::string_view& bytes) {
  if (bytes.size() < kMessageHeader) return std::nullopt;
  const std::uint32_t length = read_u32(bytes.substr(1));
  if (length < 4 || length > bytes.size() - 1) return std::nullopt;
  Message message{bytes[0], bytes.substr(kMessageHeader, length - 4), bytes.substr(0, 1u + length)};
  bytes.remove_prefix(1u + length);
  return message;
}

// What follows the length in a connection's first packet, which has no type.
inline constexpr std::uint32_t kCancelRequest = 80877102, kSslRequest = 80877103, kGssRequest = 80877104;
inline constexpr std::uint32_t kMajorVersion = 3;        // in the upper half of a StartupMessage's code
inline constexpr std::uint32_t kLongestStartup = 10000;  // as the server has it

}  // namespace gnomon::protocol::pg
