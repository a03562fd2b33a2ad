#include "agent/protocol/memcached/command.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gnomon::protocol::mc {
namespace {

enum class Form : std::uint8_t {
  kKeys,       // get <key>+
  kTouchKeys,  // gat <time> <key>+
  kStore,      // set <key> <flags> <time> <bytes>
  kCas,        // … <unique>
  kDelete,     // <key> [0]
  kNumber,     // incr, touch <key> <number>
  kBare,       // version
  kFlush,      // flush_all [<delay>]
  kOperator,   // of an operator's, with any words
  kStats,
  kMeta,       // mg <key> <flag>*
  kMetaStore,  // ms <key> <bytes> <flag>*
};

struct Known {
  std::string_view name;
  Form form;
  bool write;
};

constexpr Known kKnown[] = {
    {"get", Form::kKeys, false},
    {"gets", Form::kKeys, false},
    {"mg", Form::kMeta, false},
    {"set", Form::kStore, true},
    {"ms", Form::kMetaStore, true},
    {"mn", Form::kBare, false},
    {"md", Form::kMeta, true},
    {"ma", Form::kMeta, true},
    {"me", Form::kMeta, false},
    {"add", Form::kStore, true},
    {"replace", Form::kStore, true},
    {"append", Form::kStore, true},
    {"prepend", Form::kStore, true},
    {"cas", Form::kCas, true},
    {"delete", Form::kDelete, true},
    {"incr", Form::kNumber, true},
    {"decr", Form::kNumber, true},
    {"touch", Form::kNumber, true},
    {"gat", Form::kTouchKeys, true},
    {"gats", Form::kTouchKeys, true},
    {"version", Form::kBare, false},
    {"stats", Form::kStats, false},
    {"flush_all", Form::kFlush, true},
    {"quit", Form::kBare, true},
    {"verbosity", Form::kOperator, true},
    {"cache_memlimit", Form::kOperator, true},
    {"slabs", Form::kOperator, true},
    {"lru", Form::kOperator, true},
    {"lru_crawler", Form::kOperator, true},
    {"watch", Form::kOperator, true},
    {"shutdown", Form::kOperator, true},
};
// What stats is asked for without changing anything.
constexpr std::string_view kReadStats[] = {"items", "slabs", "sizes", "settings", "conns", "cachedump"};
// Flags with which mg changes the item's life, or makes it.
constexpr std::string_view kWritingFlags = "TNRE";
constexpr std::size_t kLongestKey = 250;
constexpr std::size_t kKept = 24;  // words; a line may have more keys

struct Words {
  std::array<std::string_view, kKept> kept;
  std::size_t count = 0;
  bool short_words = true;  // none is longer than a key may be
  std::string_view operator[](std::size_t i) const { return i < std::min(count, kKept) ? kept[i] : std::string_view(); }
};

// False: there is a byte that belongs to no word.
bool split(std::string_view line, Words& words) {
  std::size_t at = 0;
  while (at < line.size()) {
    if (line[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t from = at;
    while (at < line.size() && line[at] != ' ') {
      // The service takes all others, whatever its protocol's text says of control characters in keys.
      const char byte = line[at++];
      if (byte == '\0' || byte == '\r') return false;
    }
    if (words.count < kKept) words.kept[words.count] = line.substr(from, at - from);
    words.short_words = words.short_words && at - from <= kLongestKey;
    ++words.count;
  }
  return true;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_time(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return number(text).has_value();
}

// Whether the words after `fixed` are none, or the one that leaves the reply out.
bool ends(const Words& words, std::size_t fixed, Command& command) {
  command.silent = words.count == fixed + 1 && words[fixed] == "noreply";
  return words.count == fixed || command.silent;
}

bool store(const Words& words, bool cas, Command& command) {
  command.data = number(words[4]);
  return number(words[2]) && is_time(words[3]) && command.data && (!cas || number(words[5])) &&
         ends(words, cas ? 6 : 5, command);
}

bool meta(const Words& words, std::size_t flags, Command& command) {
  if (words.count < flags || words.count > kKept) return false;
  command.meta = true;
  for (std::size_t i = flags; i < words.count; ++i) {
    const char flag = words[i].front();
    if ((flag < 'a' || flag > 'z') && (flag < 'A' || flag > 'Z')) return false;
    if (flag == 'q') command.silent = true;
    if (command.name == "mg" && kWritingFlags.find(flag) != std::string_view::npos) command.write = true;
  }
  return true;
}

bool stats(const Words& words, Command& command) {
  command.write =
      words.count > 1 && std::ranges::count(kReadStats, words[1]) == 0 && !(words[1] == "detail" && words[2] == "dump");
  return words.count <= kKept;
}

bool shape(const Words& words, Form form, Command& command) {
  if (form != Form::kBare && form != Form::kFlush && form != Form::kOperator && form != Form::kStats)
    command.key = words[form == Form::kTouchKeys ? 2 : 1];
  switch (form) {
    case Form::kKeys:
      command.values = static_cast<std::uint32_t>(words.count - 1);
      return words.count >= 2;
    case Form::kTouchKeys:
      command.values = static_cast<std::uint32_t>(words.count - 2);
      return words.count >= 3 && is_time(words[1]);
    case Form::kStore:
    case Form::kCas:
      return store(words, form == Form::kCas, command);
    case Form::kDelete:
      return words.count >= 2 && ends(words, words[2] == "0" ? 3 : 2, command);
    case Form::kNumber:
      return (command.name == "touch" ? is_time(words[2]) : number(words[2]).has_value()) && ends(words, 3, command);
    case Form::kBare:
      command.quits = command.name == "quit";
      command.replayable = !command.quits;
      return words.count == 1;
    case Form::kFlush:
      return words.count == 1 || ends(words, is_time(words[1]) ? 2 : 1, command);
    case Form::kOperator:
      command.replayable = command.certain = false;
      command.takes_over = command.name == "watch";
      return words.count <= kKept;
    case Form::kStats:
      return stats(words, command);
    case Form::kMeta:
      return meta(words, 2, command);
    case Form::kMetaStore:
      command.data = number(words[2]);
      return command.data && meta(words, 3, command);
  }
  return false;
}

}  // namespace

std::optional<Command> parse_command(std::string_view line) {
  const std::string_view first = line.substr(0, line.find(' '));
  const auto* const known = std::ranges::find(kKnown, first, &Known::name);
  Words words;
  if (known == std::end(kKnown) || !split(line, words) || !words.short_words) return std::nullopt;
  Command command{.name = known->name, .key = {}, .data = {}, .write = known->write};
  if (!shape(words, known->form, command)) return std::nullopt;
  return command;
}

}  // namespace gnomon::protocol::mc
