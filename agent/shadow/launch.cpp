#include "agent/shadow/launch.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

using discovery::field_of;
using discovery::read_file;
using discovery::read_link;

struct NamedCapability {
  int number;
  const char* name;
};

// What services use and what ends at the shadow's namespaces. Not here: all that reaches devices, the kernel, other
// processes or the network's set-up (SYS_ADMIN, SYS_MODULE, SYS_PTRACE, SYS_BOOT, SYS_RAWIO, SYS_TIME, SYS_NICE,
// NET_ADMIN, NET_RAW, BPF, PERFMON, MAC_*, SYSLOG, DAC_READ_SEARCH, MKNOD, AUDIT_*, …).
constexpr std::array kSafeCapabilities = {
    NamedCapability{CAP_CHOWN, "CAP_CHOWN"},
    NamedCapability{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE"},
    NamedCapability{CAP_FOWNER, "CAP_FOWNER"},
    NamedCapability{CAP_FSETID, "CAP_FSETID"},
    NamedCapability{CAP_KILL, "CAP_KILL"},
    NamedCapability{CAP_SETGID, "CAP_SETGID"},
    NamedCapability{CAP_SETUID, "CAP_SETUID"},
    NamedCapability{CAP_SETPCAP, "CAP_SETPCAP"},
    NamedCapability{CAP_NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"},
    NamedCapability{CAP_IPC_LOCK, "CAP_IPC_LOCK"},
    NamedCapability{CAP_SYS_CHROOT, "CAP_SYS_CHROOT"},
    NamedCapability{CAP_LEASE, "CAP_LEASE"},
    NamedCapability{CAP_SETFCAP, "CAP_SETFCAP"},
};

struct NamedLimit {
  const char* title;  // in /proc/PID/limits
  const char* type;
  __rlimit_resource resource;
};

// Not RLIMIT_NPROC: it counts the user's processes in production and shadow together; the shadow's are limited by its
// cgroup.
constexpr std::array kLimits = {
    NamedLimit{"Max cpu time", "RLIMIT_CPU", RLIMIT_CPU},
    NamedLimit{"Max file size", "RLIMIT_FSIZE", RLIMIT_FSIZE},
    NamedLimit{"Max data size", "RLIMIT_DATA", RLIMIT_DATA},
    NamedLimit{"Max stack size", "RLIMIT_STACK", RLIMIT_STACK},
    NamedLimit{"Max open files", "RLIMIT_NOFILE", RLIMIT_NOFILE},
    NamedLimit{"Max locked memory", "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    NamedLimit{"Max address space", "RLIMIT_AS", RLIMIT_AS},
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool is_title_option(const std::string& token) {
  static const std::set<std::string> kOptions = {"-c", "-g", "-p", "-e", "-q", "-t", "-T"};
  return kOptions.contains(token);
}

bool takes_value(const std::string& token) {
  static const std::set<std::string> kOptions = {"-c", "-g", "-p", "-e"};
  return kOptions.contains(token);
}

std::vector<std::string> split_command(const std::string& command) {
  const std::vector<std::string> tokens = split(command, ' ');
  std::vector<std::string> argv;
  for (std::size_t i = 0; i < tokens.size();) {
    argv.push_back(tokens[i]);
    if (!takes_value(tokens[i++]) || i == tokens.size()) continue;
    std::string value = tokens[i++];
    while (i < tokens.size() && !is_title_option(tokens[i])) value += " " + tokens[i++];
    argv.push_back(std::move(value));
  }
  return argv;
}

std::uint64_t limit_value(const std::string& text) {
  return text == "unlimited" ? RLIM_INFINITY : std::stoull(text);
}

// The process's limits, but none above what this process may set.
std::vector<ResourceLimit> read_limits(const std::string& text, bool may_raise) {
  std::vector<ResourceLimit> limits;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    for (const NamedLimit& known : kLimits) {
      if (line.rfind(known.title, 0) != 0) continue;
      std::istringstream values(line.substr(std::string(known.title).size()));
      std::string soft, hard;
      if (!(values >> soft >> hard)) continue;
      ResourceLimit limit{known.type, limit_value(soft), limit_value(hard)};
      rlimit own{};
      if (!may_raise && ::getrlimit(known.resource, &own) == 0)
        limit.hard = std::min<std::uint64_t>(limit.hard, own.rlim_max);
      limit.soft = std::min(limit.soft, limit.hard);
      limits.push_back(std::move(limit));
    }
  }
  return limits;
}

std::uint64_t mask_of(const std::string& status, const std::string& field) {
  const std::string text = field_of(status, field);
  return text.empty() ? 0 : std::stoull(text, nullptr, 16);
}

// A path that /proc gives, as the process sees it: without the prefix of its root (a chroot).
std::string below_root(const std::string& path, const std::string& root) {
  if (root == "/" || root.empty()) return path;
  if (path == root) return "/";
  return path.rfind(root + "/", 0) == 0 ? path.substr(root.size()) : path;
}

absl::Status read_identity(const std::string& status, Launch* launch) {
  std::istringstream uids(field_of(status, "Uid")), gids(field_of(status, "Gid")), groups(field_of(status, "Groups"));
  unsigned real = 0;
  if (!(uids >> real >> launch->uid) || !(gids >> real >> launch->gid))
    return absl::InternalError("its status has no user or group");
  for (gid_t group = 0; groups >> group;) launch->groups.push_back(group);
  const std::string umask = field_of(status, "Umask");
  if (!umask.empty()) launch->umask = static_cast<unsigned>(std::stoul(umask, nullptr, 8));
  return absl::OkStatus();
}

// The path without the kernel's mark of a file that is not there any more; nothing if it has none.
std::optional<std::string> path_of_gone(const std::string& path) {
  static const std::string kMark = " (deleted)";
  if (!path.ends_with(kMark)) return std::nullopt;
  return path.substr(0, path.size() - kMark.size());
}

// Memory that the kernel gives a name like a file's.
bool is_nameless(const std::string& path) {
  return path.rfind("/memfd:", 0) == 0 || path.rfind("/SYSV", 0) == 0 || path.rfind("/dev/", 0) == 0 ||
         path.rfind("/[aio]", 0) == 0 || path.rfind("/anon_hugepage", 0) == 0;
}

}  // namespace

void executable_mappings(const std::string& maps, const std::string& directory, const std::string& root,
                         Launch* launch) {
  std::set<std::string> files;
  std::map<std::string, std::string> gone;  // path → its first mapping
  std::istringstream lines(maps);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string range, mode;
    if (!(fields >> range >> mode) || mode.size() < 3 || mode[2] != 'x') continue;
    const std::size_t slash = line.find('/');
    if (slash == std::string::npos) continue;
    const std::string path = below_root(line.substr(slash), root);
    const auto before = path_of_gone(path);
    if (!before)
      files.insert(path);
    else if (!is_nameless(*before))
      gone.emplace(*before, fmt::format("{}/map_files/{}", directory, range));
  }
  launch->mapped_files.assign(files.begin(), files.end());
  for (auto& [path, source] : gone)
    if (path != launch->executable) launch->gone_files.push_back({path, source});
}

std::vector<std::string> safe_capabilities(std::uint64_t mask) {
  std::vector<std::string> names;
  for (const NamedCapability& capability : kSafeCapabilities)
    if (mask >> capability.number & 1) names.emplace_back(capability.name);
  return names;
}

std::vector<std::string> clean_environment(const std::string& block) {
  static const std::set<std::string> kSupervisor = {"NOTIFY_SOCKET", "WATCHDOG_PID",   "WATCHDOG_USEC",
                                                    "INVOCATION_ID", "MAINPID",        "JOURNAL_STREAM",
                                                    "NGINX",         "NODE_CHANNEL_FD"};
  std::vector<std::string> environment;
  for (const std::string& entry : split(block, '\0')) {
    const std::size_t equals = entry.find('=');
    if (equals == 0 || equals == std::string::npos) continue;
    const std::string name = entry.substr(0, equals);
    // What is left of a block that a process title was written over is no name.
    const bool well_formed = std::all_of(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; });
    if (!well_formed || kSupervisor.contains(name) || name.rfind("LISTEN_", 0) == 0) continue;
    environment.push_back(entry);
  }
  const bool has_path = std::any_of(environment.begin(), environment.end(),
                                    [](const std::string& entry) { return entry.rfind("PATH=", 0) == 0; });
  if (!has_path) environment.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  return environment;
}

absl::StatusOr<std::vector<std::string>> recover_argv(const std::string& cmdline) {
  // A title is written over the arguments and padded with zero bytes.
  const std::string text = cmdline.substr(0, cmdline.find_last_not_of('\0') + 1);
  if (text.empty()) return absl::FailedPreconditionError("its command line is empty: a kernel thread or a zombie");
  if (text.find('\0') != std::string::npos) return split(text, '\0');
  static const std::string kMaster = ": master process ";
  if (const std::size_t title = text.find(kMaster); title != std::string::npos) {
    const std::string command = text.substr(title + kMaster.size());
    if (text.find(' ') > title && !command.empty() && command[0] != ' ') return split_command(command);
  }
  if (text.find(' ') == std::string::npos) return std::vector<std::string>{text};
  return absl::FailedPreconditionError(
      fmt::format("it has overwritten its command line with \"{}\", which its arguments cannot be recovered from: "
                  "switch its process "
                  "title off (redis: set-proc-title no; postgres: update_process_title off)",
                  text.substr(0, 80)));
}

void read_allowances(const std::string& proc, pid_t pid, Launch* launch) {
  const std::string directory = fmt::format("{}/{}", proc, pid), own = read_file(proc + "/self/status").value_or("");
  const std::string status = read_file(directory + "/status").value_or("");
  const std::uint64_t may_have = mask_of(own, "CapBnd");
  launch->limits =
      read_limits(read_file(directory + "/limits").value_or(""), mask_of(own, "CapEff") >> CAP_SYS_RESOURCE & 1);
  launch->bounding_capabilities = safe_capabilities(mask_of(status, "CapBnd") & may_have);
  launch->capabilities = safe_capabilities(mask_of(status, "CapEff") & may_have);
}

absl::StatusOr<Launch> read_launch(const std::string& proc, pid_t pid) {
  const std::string directory = fmt::format("{}/{}", proc, pid);
  const auto exe = read_link(directory + "/exe"), cwd = read_link(directory + "/cwd"),
             root = read_link(directory + "/root");
  const std::string status = read_file(directory + "/status").value_or("");
  if (status.empty()) return absl::NotFoundError(fmt::format("process {} has ended", pid));
  if (!exe || !cwd || !root) {
    return absl::PermissionDeniedError(
        fmt::format("process {}: its executable or directories cannot be read: run as root", pid));
  }
  const std::string who = fmt::format("process {} ({})", pid, field_of(status, "Name"));
  if (cwd->ends_with(" (deleted)"))
    return absl::FailedPreconditionError(fmt::format("{}: its working directory was deleted", who));
  Launch launch;
  launch.executable = below_root(*exe, *root);
  if (const auto before = path_of_gone(launch.executable)) {
    launch.executable = is_nameless(*before) ? kNamelessExecutable : *before;
    launch.gone_files.push_back({launch.executable, directory + "/exe"});
  }
  launch.directory = below_root(*cwd, *root);
  auto argv = recover_argv(read_file(directory + "/cmdline").value_or(""));
  if (!argv.ok()) return annotate(argv.status(), who);
  launch.argv = std::move(*argv);
  launch.environment = clean_environment(read_file(directory + "/environ").value_or(""));
  RETURN_IF_ERROR(annotate(read_identity(status, &launch), who));
  read_allowances(proc, pid, &launch);
  executable_mappings(read_file(directory + "/maps").value_or(""), directory, *root, &launch);
  return launch;
}

}  // namespace gnomon::shadow
