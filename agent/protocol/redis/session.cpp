#include "agent/protocol/redis/session.h"

#include <limits>

#include "agent/protocol/redis/command.h"

namespace gnomon::protocol::resp {

void Session::say(const Command& command, bool with_credentials, std::string_view bytes) {
  const std::string_view kind = command.name == "READWRITE" ? "READONLY" : command.name;
  if (command.effect == Effect::kReset) said_.clear();
  std::erase_if(said_, [&](const Said& before) {
    if (with_credentials && before.credentials) return true;
    return before.kind == kind && (with_credentials || !before.credentials);
  });
  said_.push_back({kind, with_credentials, std::string(bytes)});
  auto prelude = std::make_shared<std::string>();
  for (const Said& before : said_) *prelude += before.bytes;
  prelude_ = std::move(prelude);
}

// What is said again moves to the end, so from the first difference on all counts, and nothing before it.
std::string_view unsaid(std::string_view said, std::string_view wanted) {
  CommandParser parser(std::numeric_limits<std::size_t>::max() / 2);
  while (!wanted.empty()) {
    std::string_view rest = wanted;
    const std::string_view command = take_command(rest, parser);
    if (command.empty() || !said.starts_with(command)) return wanted;
    said.remove_prefix(command.size());
    wanted = rest;
  }
  return wanted;
}

}  // namespace gnomon::protocol::resp
