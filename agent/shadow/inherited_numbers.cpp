#include "agent/shadow/inherited_numbers.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <sstream>

namespace gnomon::shadow {
namespace {

std::optional<int> number_of(const std::string& text) {
  if (text.empty() || text.size() > 7 ||
      !std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); }))
    return std::nullopt;
  return std::stoi(text);
}

std::optional<int> variable(const std::vector<std::string>& environment, const std::string& name) {
  for (const std::string& entry : environment)
    if (entry.rfind(name + "=", 0) == 0) return number_of(entry.substr(name.size() + 1));
  return std::nullopt;
}

// The numbers in a text that is about descriptors.
void add_numbers(const std::string& text, std::set<int>* numbers) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
    if (const auto number = number_of(text.substr(i, end - i))) numbers->insert(*number);
    i = std::max(end, i + 1);
  }
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// What follows "fd" in "fd://3", "--fd=3", "/dev/fd/3"; the whole next argument after "--fd".
std::set<int> named_by_arguments(const std::vector<std::string>& argv) {
  std::set<int> numbers;
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string argument = lower(argv[i]);
    if (argument.starts_with("-") && argument.ends_with("fd") && i + 1 < argv.size())
      add_numbers(argv[i + 1], &numbers);
    for (const char* mark : {"fd://", "fd:", "fd=", "/fd/", "fds="}) {
      const std::size_t at = argument.find(mark);
      if (at != std::string::npos) add_numbers(argument.substr(at + std::string(mark).size()), &numbers);
    }
  }
  return numbers;
}

// "GUNICORN_FD=5,6". Of what addresses a supervisor that the shadow does not have, nothing.
std::set<int> named_by_environment(const std::vector<std::string>& environment) {
  std::set<int> numbers;
  for (const std::string& entry : environment) {
    const std::size_t equals = entry.find('=');
    const std::string name = lower(entry.substr(0, equals));
    if (equals == std::string::npos || name.starts_with("listen_") || name == "node_channel_fd") continue;
    if (name == "fd" || name.ends_with("_fd") || name.ends_with("_fds")) add_numbers(entry.substr(equals), &numbers);
  }
  return numbers;
}

}  // namespace

std::vector<std::string> entries_of(const std::string& block) {
  std::vector<std::string> entries;
  std::istringstream in(block);
  for (std::string entry; std::getline(in, entry, '\0');) entries.push_back(entry);
  return entries;
}

std::set<int> inherited_numbers(const std::string& environment, const std::vector<std::string>& argv, pid_t pid,
                                const std::set<int>& listeners) {
  const std::vector<std::string> entries = entries_of(environment);
  std::set<int> numbers;
  const auto promised = variable(entries, "LISTEN_FDS"), to = variable(entries, "LISTEN_PID");
  if (promised && to == pid && *promised <= kMostPromised)
    for (int i = 0; i < *promised; ++i) numbers.insert(kFirstPromised + i);
  std::set<int> named = named_by_arguments(argv);
  named.merge(named_by_environment(entries));
  for (const int listener : listeners)
    if (listener <= STDERR_FILENO || named.contains(listener)) numbers.insert(listener);
  return numbers;
}

}  // namespace gnomon::shadow
