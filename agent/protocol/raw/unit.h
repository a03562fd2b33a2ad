#pragma once
// A connection's client side, as pieces with their times.

#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace gnomon::protocol {

struct RawPiece {
  Nanos offset{0};          // of its first byte, from the connection's
  bool after_send = false;  // the service had sent something since the piece before
  std::string_view bytes;   // none: the client closes here
};

// Appends the piece in the unit's form.
void append_raw_piece(const RawPiece& piece, std::string& unit);
// Takes the first piece off a unit. Nullopt: it is at its end.
std::optional<RawPiece> take_raw_piece(std::string_view& unit);

}  // namespace gnomon::protocol
