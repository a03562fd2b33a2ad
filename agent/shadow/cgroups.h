#pragma once
// The cgroups of shadows: <hierarchy>/gnomon/<agent>/<session>, with the node's budget on the middle one. v1, hybrid
// and v2.

#include <sys/types.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agent/shadow/shadow.h"

namespace gnomon::shadow {

inline constexpr char kCgroupRoot[] = "/sys/fs/cgroup";

struct Hierarchy {
  std::string mount;
  bool v2 = false;
};

// What is mounted at `root`: one of v2, or those of v1 and, beside them, v2's.
std::vector<Hierarchy> hierarchies(const std::string& root);

// The path that an OCI runtime is given: the same in all hierarchies.
std::string cgroup_path(const std::string& agent, const std::string& session);

// Makes the agent's cgroup in every hierarchy, with the budget as a hard limit and the lowest weight, kept to `cpus`
// (none: to no processors in particular). In v2 it hands down the controllers that this takes, and no others.
absl::Status make_budget_cgroup(const std::string& root, const std::string& agent, Budget budget,
                                const std::vector<int>& cpus = {});

// The controllers that each v2 cgroup above a shadow's hands down, the nearest first. An OCI runtime hands down all
// there are, from the topmost on, whatever it is asked for: take_back() undoes what has come since, but where another's
// cgroup uses it by now.
using HandedDown = std::vector<std::pair<std::string, std::set<std::string>>>;
HandedDown handed_down(const std::string& root, const std::string& agent);
void take_back(const HandedDown& before);

// The directories of the agent's cgroups that exist, children before their parents; of one session's if that is not
// empty.
std::vector<std::string> agent_cgroups(const std::string& root, const std::string& agent,
                                       const std::string& session = "");

// The names of all agents that have cgroups.
std::set<std::string> agents_with_cgroups(const std::string& root);

// The processes in these cgroups.
std::vector<pid_t> cgroup_processes(const std::vector<std::string>& directories);

// Removes cgroups whose processes have been killed, children first. Waits up to two seconds for the kernel to be done
// with them; the error names the one that stays.
absl::Status remove_cgroups(const std::vector<std::string>& directories);

// Removes the parent of all agents' cgroups where no agent is left.
void remove_empty_parents(const std::string& root);

}  // namespace gnomon::shadow
