#pragma once
// What is known of Redis's commands.

#include <cstdint>
#include <string_view>

namespace gnomon::protocol::resp {

enum class Effect : std::uint8_t {
  kReads,
  kWrites,
  kBlocks,               // waits for what others do, and writes; in a transaction it does not wait
  kReadsUnlessBlocking,  // XREAD, by its BLOCK argument
  kWritesUnlessBlocking,
  kNever,      // not to be done to a shadow: subscribes, ends or pauses others or the service, changes its role
  kQuits,      // nothing follows it
  kTakesOver,  // MONITOR, SYNC: the connection is another protocol's from here
  kCredentials,
  kHello,
  kSession,  // says something of the connection that lasts
  kReset,    // takes all of that back
  kAsking,   // belongs to the command after it
  kWatch,
  kUnwatch,
  kMulti,
  kEnds,  // EXEC, DISCARD
};

struct Command {
  std::string_view name;  // upper case; of a container "CONFIG GET"
  Effect effect = Effect::kWrites;
  std::int8_t key = 0;  // which argument is its first key, the name being argument 0; 0: none; kAfterStreams
  bool container = false;
};

inline constexpr std::int8_t kAfterStreams = -1;  // the argument after STREAMS
inline constexpr std::size_t kLongestName = 32;

// By its upper-case name, "CONFIG GET" for a container's; null: not known.
const Command* find_command(std::string_view name);

}  // namespace gnomon::protocol::resp
