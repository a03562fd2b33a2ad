#pragma once
// memcached's replies: where one ends and what it says, also where some of it is not at hand.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/protocol/response.h"

namespace gnomon::protocol::mc {

class ReplyParser {
 public:
  enum class Progress { kMore, kReply, kBroken };
  // Takes bytes off the front of `data` up to the end of a reply, and adds what it says to `sum`: its bytes, but for
  // those of a sign (MN), and the word that it begins with ("STORED", "VALUE", "HD"), if it is no number.
  Progress advance(std::string_view& data, Gathered& sum);
  // Bytes ahead that need not be at hand, as it is known what they do. `values`: that the reply may hold at most; 0:
  // not known.
  std::uint64_t ahead(std::uint32_t values) const;
  // Takes so many of them, at most ahead().
  Progress skip(std::uint64_t bytes, Gathered& sum);
  // Bytes that the reply under way will add to a sum yet; nullopt: not known.
  std::optional<std::uint64_t> left(std::uint32_t values) const;
  // Of the reply that ended last.
  bool error() const { return kind_ == Kind::kError; }
  bool no_operation() const { return kind_ == Kind::kNoOperation; }

 private:
  enum class Kind : std::uint8_t { kPlain, kError, kNoOperation, kItem, kMore, kValue, kUnknown };
  static Kind kind_of(std::string_view line);
  Progress line(std::string_view line, Gathered& sum);
  Progress block_end();
  bool end_is_next(std::uint32_t values) const;

  std::string line_;          // as far as it has come
  std::uint64_t block_ = 0;   // bytes of data still to come, with their line end
  std::uint32_t items_ = 0;   // whose line has come, of the reply under way
  Kind kind_ = Kind::kPlain;  // of the last line
  bool fresh_ = true, broken_ = false;
};

}  // namespace gnomon::protocol::mc
