#pragma once
// What was found when the node was looked at. Plain values, so that what follows from them can be decided without a
// kernel.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/probe/capabilities.h"
#include "common/units.h"

namespace gnomon::doctor {

// What came of trying something once.
struct Trial {
  int error = 0;       // errno's value; 0: it works
  std::string detail;  // more than the error says, in one line
  bool works() const { return error == 0; }
};

struct NamedTrial {
  std::string name;
  Trial trial;
};

struct Hierarchy {  // of cgroups
  std::string mount;
  bool v2 = false;
  Trial make;                        // a cgroup in it
  bool cpu = false, memory = false;  // cgroups in it can be limited in these
};

struct Facts {
  std::string kernel;  // "6.12.0"
  std::string machine;
  Trial btf;
  std::string lockdown;                   // "none", "integrity", "confidentiality"; empty where the kernel has none
  std::vector<NamedTrial> program_types;  // each loaded once
  std::optional<probe::Capabilities> probe;
  Trial ring;    // a ring buffer of the agent's size
  Trial uprobe;  // on this program

  bool root = false;
  std::uint64_t capabilities = 0;      // effective, one bit each
  bool filtered = false;               // system calls of this process, by seccomp
  std::uint64_t open_files = 0;        // hard limit
  std::optional<Bytes> locked_memory;  // soft limit; none: unlimited

  std::vector<Hierarchy> cgroups;
  std::vector<NamedTrial> namespaces;
  Trial overlay;
  Trial mount_copies;  // open_tree
  Trial veth;
  Trial netem;
  Trial pidfd_getfd;
  Trial seccomp;            // filters can be had
  std::string runc, crun;   // paths; empty: not there
  std::string umoci;        // the same
  Trial crun_starts;        // a container as a shadow's, if it is there
  std::string shadow_init;  // where it ought to be
  bool shadow_init_there = false;
  Trial state_directory;
  Bytes memory, memory_available;
  std::string clock_source;
};

}  // namespace gnomon::doctor
