#pragma once
// A command's line: what it asks for, and what follows it (memcached's doc/protocol.txt).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gnomon::protocol::mc {

struct Command {
  std::string_view name;  // of static duration
  std::string_view key;   // the first, in the line; empty: none
  // Bytes of data after the line, whose own line end is not counted.
  std::optional<std::uint64_t> data;
  std::uint32_t values = 0;  // that its reply may hold; 0: it is not of that kind
  bool write = false;
  bool certain = true;  // how many replies it has, if it is not silent
  bool replayable = true;
  bool quits = false;       // nothing follows it
  bool takes_over = false;  // the connection is a log's from here
  bool silent = false;      // its reply is left out: always, or where it says what is expected
  bool meta = false;        // silent as one of a run that something else ends
};

// `line` is without its line end. Nullopt: it is no command, or one that the service may understand otherwise.
std::optional<Command> parse_command(std::string_view line);

// The command that shows that all before it has been answered.
inline constexpr std::string_view kNoOperation = "mn";

}  // namespace gnomon::protocol::mc
