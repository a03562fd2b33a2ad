#pragma once
// The OCI configuration of a shadow.

#include <string>
#include <vector>

#include "agent/shadow/launch.h"
#include "agent/shadow/root_filesystem.h"
#include "common/units.h"

namespace gnomon::shadow {

inline constexpr char kInitInside[] = "/.gnomon-init";
inline constexpr int kLeaseFd = 3;  // the first one that an OCI runtime hands on

struct Bundle {
  std::string root;                 // directory
  std::vector<Bind> binds;          // parents first
  std::vector<std::string> masked;  // paths
  std::string init;                 // our init program, outside
  std::string netns;                // path
  std::string hostname;
  std::string cgroup;  // path, the same in all hierarchies
  MilliCpu cpu;
  Bytes memory;
  int processes = 0;           // and threads, at most
  std::vector<int> inherited;  // numbers of the descriptors that come after the lease
};

// config.json, for OCI runtime specification 1.0.2.
std::string oci_config(const Launch& launch, const Bundle& bundle);

}  // namespace gnomon::shadow
