#pragma once
// Where one command ends, and what its first arguments are: arrays of bulk strings, and inline lines.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/protocol/redis/commands.h"

namespace gnomon::protocol::resp {

// One command at a time. Text is not kept: each call gets the command from its beginning, with what has come since.
class CommandParser {
 public:
  enum class Progress { kMore, kDone, kMalformed, kOversized };
  static constexpr std::size_t kKept = 8;  // arguments that are remembered

  explicit CommandParser(std::size_t limit) : limit_(limit) {}
  void restart();
  // Oversized: a length is given that exceeds the limit, which may be long before the bytes have come.
  Progress advance(std::string_view text);
  // Bytes of `text` that were understood; once done, the command's.
  std::size_t size() const { return pos_; }
  std::size_t arguments() const { return count_; }  // with the name; 0: an empty command, which has no reply
  std::string_view argument(std::string_view text, std::size_t i) const {
    return i < kKept && i < count_ ? text.substr(kept_[i].first, kept_[i].second) : std::string_view();
  }

 private:
  enum class Stage : std::uint8_t { kStart, kCount, kLength, kBulk, kInline };
  std::optional<Progress> line(std::string_view text);
  std::optional<Progress> header(std::string_view digits);
  Progress inline_line(std::string_view text, std::size_t end);
  void keep(std::size_t from, std::size_t size);

  std::size_t limit_;
  Stage stage_ = Stage::kStart;
  std::size_t pos_ = 0;      // what is understood
  std::size_t scanned_ = 0;  // how far a line end was looked for
  std::uint64_t left_ = 0;   // arguments still to come
  std::uint64_t bulk_ = 0;   // bytes of the argument under way
  std::size_t count_ = 0;
  std::array<std::pair<std::size_t, std::size_t>, kKept> kept_{};
};

// A whole number as Redis writes it: no plus, no leading zero. Nullopt: not exactly that.
std::optional<std::int64_t> parse_integer(std::string_view text);

// The command that these bytes begin with, taken off their front; empty if there is none that is whole.
std::string_view take_command(std::string_view& bytes, CommandParser& parser);

// The command's entry and its name in upper case, "CONFIG GET" for a container's.
struct Named {
  const Command* command = nullptr;  // null: not known
  std::string_view name;             // in `buffer` or in the table; of an unknown command its first word
  char buffer[2 * kLongestName + 1];
};
void name_command(const CommandParser& parser, std::string_view text, Named& named);

}  // namespace gnomon::protocol::resp
