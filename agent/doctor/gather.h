#pragma once
// Looks at this node by trying things, in namespaces and cgroups of its own that are gone afterwards. Nothing that runs
// is touched; what takes more rights than the process has is tried as well, and the kernel's answer kept.

#include "agent/doctor/facts.h"

namespace gnomon::doctor {

// Takes about a second. `state_root`: where the agent keeps its state. Call before threads are started: it forks.
Facts gather(const std::string& state_root);

// Parts of it.
std::vector<NamedTrial> try_program_types();
Trial try_ring(Bytes size);
Trial try_uprobe();
std::vector<NamedTrial> try_namespaces();
Trial try_overlay();
Trial try_mount_copy();
Trial try_pidfd_getfd();
Trial try_veth();
Trial try_netem();
std::vector<Hierarchy> try_cgroups(const std::string& root);

}  // namespace gnomon::doctor
