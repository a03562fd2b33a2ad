#include "agent/protocol/raw/unit.h"

#include <cstdint>
#include <cstring>

namespace gnomon::protocol {
namespace {

struct Header {
  std::int64_t offset_ns;
  std::uint32_t size;
  std::uint32_t after_send;
};
static_assert(sizeof(Header) == 16);

}  // namespace

void append_raw_piece(const RawPiece& piece, std::string& unit) {
  const Header header{.offset_ns = piece.offset.count(),
                      .size = static_cast<std::uint32_t>(piece.bytes.size()),
                      .after_send = piece.after_send ? 1u : 0u};
  unit.append(reinterpret_cast<const char*>(&header), sizeof(header)).append(piece.bytes);
}

std::optional<RawPiece> take_raw_piece(std::string_view& unit) {
  Header header{};
  if (unit.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, unit.data(), sizeof(header));
  unit.remove_prefix(sizeof(header));
  const RawPiece piece{
      .offset = Nanos(header.offset_ns), .after_send = header.after_send != 0, .bytes = unit.substr(0, header.size)};
  unit.remove_prefix(piece.bytes.size());
  return piece;
}

}  // namespace gnomon::protocol
