#include "agent/shadow/cgroups.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "agent/shadow/limits.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;

using discovery::write_control;

const std::set<std::string> kOfAShadow = {"cpu", "memory",
                                          "pids"};  // controllers that a single one is limited by, and io

std::string parent_of_agents(const Hierarchy& hierarchy) {
  return hierarchy.mount + "/" + discovery::kShadowCgroup;
}

absl::Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return errno_status(fmt::format("cgroup {} (needs root and a writable cgroup file system)", path));
  return absl::OkStatus();
}

// Hands down those of these controllers that the cgroup has. What is handed down costs all that is below it: no more
// than is needed.
absl::Status delegate(const std::string& directory, const std::set<std::string>& needed) {
  std::ifstream in(directory + "/cgroup.controllers");
  for (std::string controller; in >> controller;)
    if (needed.contains(controller))
      RETURN_IF_ERROR(write_control(directory + "/cgroup.subtree_control", "+" + controller));
  return absl::OkStatus();
}

std::set<std::string> controllers_in(const std::string& file) {
  std::ifstream in(file);
  return {std::istream_iterator<std::string>(in), {}};
}

// Whether a disk's requests are ordered by weights: by the scheduler BFQ, or by the cost model.
bool disks_know_weights(const std::string& v2_root) {
  std::error_code error;
  for (fs::directory_iterator disk("/sys/block", error), end; !error && disk != end; disk.increment(error)) {
    const std::string schedulers = discovery::read_file(disk->path().string() + "/queue/scheduler").value_or("");
    if (schedulers.find("[bfq]") != std::string::npos) return true;
  }
  return discovery::read_file(v2_root + "/io.cost.qos").value_or("").find("enable=1") != std::string::npos;
}

// Of all shadows together: what production wants goes first, and what is wrong in them ends here.
Limits budget_limits(Budget budget) {
  constexpr std::int64_t kProcesses = 8192;
  Limits limits;
  limits.cpu = budget.cpu;
  limits.memory = budget.memory;
  limits.processes = kProcesses;
  limits.io_weight = 1;
  limits.lowest_cpu_weight = true;
  return limits;
}

void add_below(const std::string& directory, std::vector<std::string>* found) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) return;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored)) add_below(entry->path().string(), found);
  }
  found->push_back(directory);
}

}  // namespace

std::vector<Hierarchy> hierarchies(const std::string& root) {
  if (fs::exists(root + "/cgroup.controllers")) return {{root, true}};
  std::vector<Hierarchy> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root, error)) {
    // Links ("cpu" to "cpu,cpuacct") lead to one that is found anyway.
    if (entry.is_symlink(error) || !fs::exists(entry.path() / "cgroup.procs", error)) continue;
    found.push_back({entry.path().string(), fs::exists(entry.path() / "cgroup.controllers", error)});
  }
  return found;
}

std::string cgroup_path(const std::string& agent, const std::string& session) {
  return fmt::format("/{}/{}/{}", discovery::kShadowCgroup, agent, session);
}

absl::Status make_budget_cgroup(const std::string& root, const std::string& agent, Budget budget,
                                const std::vector<int>& cpus) {
  const std::vector<Hierarchy> all = hierarchies(root);
  if (all.empty()) return absl::FailedPreconditionError(fmt::format("no cgroup hierarchy is mounted at {}", root));
  for (const Hierarchy& hierarchy : all) {
    const std::string parent = parent_of_agents(hierarchy), own = parent + "/" + agent;
    RETURN_IF_ERROR(make_directory(parent));
    std::set<std::string> of_a_shadow = kOfAShadow;
    if (hierarchy.v2) {
      if (disks_know_weights(hierarchy.mount)) of_a_shadow.insert("io");
      std::set<std::string> needed = of_a_shadow;
      if (!cpus.empty()) needed.insert("cpuset");
      RETURN_IF_ERROR(delegate(hierarchy.mount, needed));
      RETURN_IF_ERROR(delegate(parent, needed));
    }
    RETURN_IF_ERROR(make_directory(own));
    if (hierarchy.v2) RETURN_IF_ERROR(delegate(own, of_a_shadow));
  }
  Limits limits = budget_limits(budget);
  limits.cpus = cpus;
  return set_limits(root, fmt::format("/{}/{}", discovery::kShadowCgroup, agent), limits);
}

HandedDown handed_down(const std::string& root, const std::string& agent) {
  HandedDown levels;
  for (const Hierarchy& hierarchy : hierarchies(root)) {
    if (!hierarchy.v2) continue;
    const std::string parent = parent_of_agents(hierarchy);
    for (const std::string& level : {parent + "/" + agent, parent, hierarchy.mount})
      levels.emplace_back(level, controllers_in(level + "/cgroup.subtree_control"));
  }
  return levels;
}

void take_back(const HandedDown& before) {
  for (const auto& [level, controllers] : before) {
    const std::string file = level + "/cgroup.subtree_control";
    for (const std::string& controller : controllers_in(file))
      if (!controllers.contains(controller)) (void)write_control(file, "-" + controller);
  }
}

std::vector<std::string> agent_cgroups(const std::string& root, const std::string& agent, const std::string& session) {
  std::vector<std::string> found;
  for (const Hierarchy& hierarchy : hierarchies(root))
    add_below(parent_of_agents(hierarchy) + "/" + agent + (session.empty() ? "" : "/" + session), &found);
  return found;
}

std::set<std::string> agents_with_cgroups(const std::string& root) {
  std::set<std::string> names;
  for (const Hierarchy& hierarchy : hierarchies(root)) {
    std::error_code error, ignored;
    for (fs::directory_iterator entry(parent_of_agents(hierarchy), error), end; !error && entry != end;
         entry.increment(error))
      if (entry->is_directory(ignored)) names.insert(entry->path().filename().string());
  }
  return names;
}

std::vector<pid_t> cgroup_processes(const std::vector<std::string>& directories) {
  std::set<pid_t> pids;
  for (const std::string& directory : directories) {
    std::ifstream in(directory + "/cgroup.procs");
    for (pid_t pid = 0; in >> pid;)
      if (pid > 0) pids.insert(pid);
  }
  return {pids.begin(), pids.end()};
}

absl::Status remove_cgroups(const std::vector<std::string>& directories) {
  constexpr int kPauseMs = 5, kPauses = 400;
  int pauses = 0;
  for (const std::string& directory : directories) {
    // Its last process is gone for us before the kernel has let go of the cgroup; there is nothing to wait on in v1.
    while (::rmdir(directory.c_str()) != 0 && errno != ENOENT) {
      if (errno != EBUSY || ++pauses > kPauses) return errno_status(fmt::format("removing cgroup {}", directory));
      ::poll(nullptr, 0, kPauseMs);
    }
  }
  return absl::OkStatus();
}

void remove_empty_parents(const std::string& root) {
  for (const Hierarchy& hierarchy : hierarchies(root)) ::rmdir(parent_of_agents(hierarchy).c_str());
}

}  // namespace gnomon::shadow
