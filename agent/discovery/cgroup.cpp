#include "agent/discovery/cgroup.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::discovery {
namespace {

struct Line {
  std::string controllers, path;
};

std::vector<Line> cgroup_lines(const std::string& proc, pid_t pid) {
  std::vector<Line> lines;
  std::istringstream in(read_file(proc + "/" + std::to_string(pid) + "/cgroup").value_or(""));
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    lines.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
  }
  return lines;
}

bool lists(const std::string& text, const std::string& word, char separator) {
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, separator);)
    if (item == word) return true;
  return false;
}

std::optional<Cgroup> existing(Cgroup candidate) {
  std::error_code error;
  if (!std::filesystem::is_directory(candidate.directory(), error)) return std::nullopt;
  return candidate;
}

// The least of `read(directory)` from the cgroup up to the root of its hierarchy.
std::optional<std::int64_t> tightest(Cgroup cgroup,
                                     const std::function<std::optional<std::int64_t>(const std::string&)>& read) {
  std::optional<std::int64_t> least;
  while (true) {
    if (const auto value = read(cgroup.directory()); value && (!least || *value < *least)) least = value;
    if (cgroup.root()) return least;
    const std::size_t slash = cgroup.path.rfind('/');
    cgroup.path = slash == 0 || slash == std::string::npos ? "/" : cgroup.path.substr(0, slash);
  }
}

std::optional<std::int64_t> integer(const std::string& path) {
  std::istringstream in(read_file(path).value_or(""));
  std::int64_t value = 0;
  if (!(in >> value)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Cgroup> cgroup_of(const std::string& proc, const std::string& cgroup, pid_t pid,
                                const std::string& controller) {
  const std::vector<Line> lines = cgroup_lines(proc, pid);
  for (const Line& line : lines) {
    if (!lists(line.controllers, controller, ',')) continue;
    for (const std::string& name : {line.controllers, controller})
      if (auto found = existing({cgroup + "/" + name, line.path, false})) return found;
    return std::nullopt;
  }
  for (const Line& line : lines) {
    if (!line.controllers.empty()) continue;
    for (const std::string& mount : {cgroup, cgroup + "/unified"}) {
      std::string available = read_file(mount + "/cgroup.controllers").value_or("");
      std::replace(available.begin(), available.end(), '\n', ' ');
      if (lists(available, controller, ' ')) return existing({mount, line.path, true});
    }
  }
  return std::nullopt;
}

std::optional<MilliCpu> cpu_quota(const std::string& proc, const std::string& cgroup, pid_t pid) {
  const auto found = cgroup_of(proc, cgroup, pid, "cpu");
  if (!found) return std::nullopt;
  const auto least = tightest(*found, [&](const std::string& directory) -> std::optional<std::int64_t> {
    std::int64_t quota = 0, period = 0;
    if (found->v2) {
      std::istringstream in(read_file(directory + "/cpu.max").value_or(""));
      if (!(in >> quota >> period)) return std::nullopt;  // "max 100000"
    } else {
      quota = integer(directory + "/cpu.cfs_quota_us").value_or(-1);
      period = integer(directory + "/cpu.cfs_period_us").value_or(0);
    }
    if (quota <= 0 || period <= 0) return std::nullopt;
    return std::max<std::int64_t>(1, quota * 1000 / period);
  });
  if (!least) return std::nullopt;
  return MilliCpu{*least};
}

std::optional<Bytes> memory_limit(const std::string& proc, const std::string& cgroup, pid_t pid) {
  const auto found = cgroup_of(proc, cgroup, pid, "memory");
  if (!found) return std::nullopt;
  const char* file = found->v2 ? "/memory.max" : "/memory.limit_in_bytes";
  const auto least = tightest(*found, [&](const std::string& directory) -> std::optional<std::int64_t> {
    const auto limit = integer(directory + file);
    // v1 says "no limit" with the largest multiple of the page size.
    return limit && *limit > 0 && *limit < (std::int64_t{1} << 60) ? limit : std::nullopt;
  });
  if (!least) return std::nullopt;
  return Bytes{static_cast<std::uint64_t>(*least)};
}

absl::Status write_control(const std::string& file, const std::string& value) {
  std::ofstream out(file);
  if (!(out << value << std::flush)) return errno_status(fmt::format("writing \"{}\" to {}", value, file));
  return absl::OkStatus();
}

bool in_shadow_cgroup(const std::string& proc, pid_t pid) {
  const std::string marker = std::string("/") + kShadowCgroup + "/";
  const auto lines = cgroup_lines(proc, pid);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const Line& line) { return (line.path + "/").find(marker) != std::string::npos; });
}

}  // namespace gnomon::discovery
