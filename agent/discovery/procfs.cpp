#include "agent/discovery/procfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "common/unique_fd.h"

namespace gnomon::discovery {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> read_file(const std::string& path) {
  // Not by a stream: its buffer throws where the read fails, as it does of a process that has just ended.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  std::string text;
  char part[4096];
  ssize_t length = 0;
  while ((length = ::read(file.get(), part, sizeof part)) != 0) {
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return std::nullopt;
    text.append(part, static_cast<std::size_t>(length));
  }
  return text;
}

std::optional<std::string> read_link(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
  if (length < 0) return std::nullopt;
  return std::string(target, static_cast<std::size_t>(length));
}

std::string field_of(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(name + ":", 0) != 0) continue;
    const std::size_t first = line.find_first_not_of(" \t", name.size() + 1);
    if (first == std::string::npos) return "";
    return line.substr(first, line.find_last_not_of(" \t") - first + 1);
  }
  return "";
}

std::vector<int> numbered_entries(const std::string& directory) {
  std::vector<int> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto value = number(entry->path().filename().string()); value && *value <= INT_MAX)
      numbers.push_back(static_cast<int>(*value));
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::optional<Process> read_process(const std::string& proc, pid_t pid) {
  const auto text = read_file(proc + "/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // The name is in brackets and may itself hold brackets and spaces: the last closing one ends it.
  const std::size_t open = text->find('('), close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  std::istringstream rest(text->substr(close + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(rest), {}};
  if (fields.size() < 20) return std::nullopt;  // field 3 (state) is the first of them, 4 the parent, 22 the start
  const auto parent = number(fields[1]), start = number(fields[19]);
  if (!parent || !start) return std::nullopt;
  return Process{pid, static_cast<pid_t>(*parent), *start, text->substr(open + 1, close - open - 1)};
}

ProcessTable all_processes(const std::string& proc) {
  ProcessTable table;
  for (int pid : numbered_entries(proc))
    if (auto process = read_process(proc, pid)) table.emplace(pid, std::move(*process));
  return table;
}

std::uint64_t inode_in_link(const std::string& link, const std::string& kind) {
  const std::string prefix = kind + ":[";
  if (link.rfind(prefix, 0) != 0 || link.back() != ']') return 0;
  return number(std::string_view(link).substr(prefix.size(), link.size() - prefix.size() - 1)).value_or(0);
}

std::uint64_t namespace_of(const std::string& proc, pid_t pid, const std::string& kind) {
  const auto link = read_link(proc + "/" + std::to_string(pid) + "/ns/" + kind);
  return link ? inode_in_link(*link, kind) : 0;
}

}  // namespace gnomon::discovery
