#include "agent/shadow/root_plan.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

namespace gnomon::shadow {
namespace {

struct FreshRule {
  const char* path;
  int depth;  // components below it that name one owner's part: /tmp/x, but /home/user/x
};

constexpr std::array kFresh = {FreshRule{"/tmp", 1},     FreshRule{"/run", 1},  FreshRule{"/var/tmp", 1},
                               FreshRule{"/dev/shm", 1}, FreshRule{"/root", 1}, FreshRule{"/home", 2}};

constexpr std::array kMasked = {"/etc/shadow",      "/etc/shadow-",        "/etc/gshadow",    "/etc/gshadow-",
                                "/etc/ssh",         "/etc/sudoers",        "/etc/sudoers.d",  "/etc/kubernetes",
                                "/var/run/secrets", "/run/secrets",        "/var/lib/docker", "/var/lib/containerd",
                                "/var/lib/kubelet", "/var/lib/containers", "/var/lib/etcd"};

// Kernel interfaces: the shadow gets its own or none.
const std::set<std::string> kKernelFilesystems = {
    "proc",     "sysfs",   "cgroup",  "cgroup2",    "devpts",    "devtmpfs",   "mqueue",
    "bpf",      "tracefs", "debugfs", "securityfs", "pstore",    "nsfs",       "binfmt_misc",
    "configfs", "fusectl", "autofs",  "efivarfs",   "selinuxfs", "rpc_pipefs", "hugetlbfs"};

// "\040" is a space.
std::string unescape(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

std::string normal(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

// Every path that an argument may mean: "/a", "--config=/a", "pid /a; error_log /b;", and "a" below the working
// directory.
void add_paths(const std::string& argument, const std::string& directory, std::set<std::string>* paths) {
  static constexpr char kSeparators[] = " ;,:='\"";
  for (std::size_t begin = 0; begin < argument.size();) {
    const std::size_t end = std::min(argument.find_first_of(kSeparators, begin), argument.size());
    const std::string piece = argument.substr(begin, end - begin);
    if (piece.size() > 1 && piece[0] == '/') paths->insert(normal(piece));
    if (!piece.empty() && piece[0] != '/' && piece[0] != '-') paths->insert(normal(directory + "/" + piece));
    begin = end + 1;
  }
}

std::set<std::string> needed_paths(const Launch& launch) {
  std::set<std::string> paths{normal(launch.executable), normal(launch.directory)};
  for (const std::string& argument : launch.argv) add_paths(argument, launch.directory, &paths);
  for (const std::string& file : launch.mapped_files) paths.insert(normal(file));
  return paths;
}

FreshDirectory fresh_directory(const FreshRule& rule, const Launch& launch, const std::set<std::string>& needed) {
  FreshDirectory fresh{.path = rule.path, .keeps_directories = std::string(rule.path) == "/run"};
  std::set<std::string> carried;
  for (const std::string& path : needed) {
    if (!is_within(path, fresh.path) || path == fresh.path) continue;
    std::size_t end = fresh.path.size();
    for (int level = 0; level < rule.depth && end != std::string::npos; ++level) end = path.find('/', end + 1);
    carried.insert(path.substr(0, end));
  }
  fresh.whole = normal(launch.directory) == fresh.path;
  if (fresh.whole) return fresh;
  // A user's whole home (the working directory) includes what else is needed from it.
  for (const std::string& path : carried) {
    const bool covered = std::any_of(carried.begin(), carried.end(),
                                     [&](const std::string& other) { return other != path && is_within(path, other); });
    if (!covered) fresh.carried.push_back(path);
  }
  return fresh;
}

struct Mount {
  std::string path, type;
  bool read_only = false;
};

// The last mount on each path is the one that is seen.
std::vector<Mount> parse_mountinfo(const std::string& text) {
  std::map<std::string, Mount> by_path;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream in(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(in), {}};
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || dash == fields.end() || dash + 1 == fields.end()) continue;
    const std::string path = unescape(fields[4]);
    by_path[path] = Mount{path, dash[1], ("," + fields[5] + ",").find(",ro,") != std::string::npos};
  }
  std::vector<Mount> mounts;  // in the order of their paths: a parent before its children
  for (auto& [path, mount] : by_path) mounts.push_back(std::move(mount));
  return mounts;
}

bool is_carried(const RootPlan& plan, const std::string& path) {
  for (const FreshDirectory& fresh : plan.fresh) {
    if (!is_within(path, fresh.path)) continue;
    if (fresh.whole) return path != fresh.path;
    return std::any_of(fresh.carried.begin(), fresh.carried.end(),
                       [&](const std::string& carried) { return path != carried && is_within(path, carried); });
  }
  return true;
}

}  // namespace

bool is_within(const std::string& path, const std::string& directory) {
  return path == directory || directory == "/" || path.rfind(directory + "/", 0) == 0;
}

RootPlan plan_root(const Launch& launch, const std::string& mountinfo) {
  RootPlan plan{.gone = launch.gone_files};
  const std::set<std::string> needed = needed_paths(launch);
  for (const FreshRule& rule : kFresh) plan.fresh.push_back(fresh_directory(rule, launch, needed));
  for (const char* masked : kMasked) {
    const bool used =
        std::any_of(needed.begin(), needed.end(), [&](const std::string& path) { return is_within(path, masked); });
    if (!used) plan.masked.emplace_back(masked);
  }
  for (const Mount& mount : parse_mountinfo(mountinfo)) {
    if (mount.path == "/" || kKernelFilesystems.contains(mount.type)) continue;
    const bool kernel_path = is_within(mount.path, "/proc") || is_within(mount.path, "/sys") ||
                             (is_within(mount.path, "/dev") && !is_within(mount.path, "/dev/shm"));
    const bool masked = std::any_of(plan.masked.begin(), plan.masked.end(),
                                    [&](const std::string& path) { return is_within(mount.path, path); });
    if (!kernel_path && !masked && is_carried(plan, mount.path))
      plan.volumes.push_back({.path = mount.path, .read_only = mount.read_only});
  }
  return plan;
}

}  // namespace gnomon::shadow
