#pragma once
// Starting a container from a bundle with an OCI runtime: runc, or crun where it can.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::shadow {

// The path of runc; kNotFound with the remedy.
absl::StatusOr<std::string> find_runc();
// The path of crun; empty if it is not installed.
std::string find_crun();

struct Start {
  std::string runtime;  // the program
  std::string bundle;   // directory with config.json; the runtime's own state goes there too
  std::string id;
  int output = -1;          // standard output and error of the container (and of the runtime)
  int lease = -1;           // becomes kLeaseFd of its first process
  std::vector<int> handed;  // become those after it
};

// Creates and starts the container, in the caller's mount namespace. Returns the pid of its first process, seen from
// here.
absl::StatusOr<pid_t> run_container(const Start& start);

// Has a runtime start our own init as it would start a shadow, in a cgroup (a path as runtimes are given it) and below
// a directory that are made for it and removed. The error is what the runtime says: crun refuses where controllers are
// mounted as v1 and others as v2. Takes about as long as a shadow's start.
absl::Status try_oci_runtime(const std::string& runtime, const std::string& init, const std::string& directory,
                             const std::string& cgroup);

}  // namespace gnomon::shadow
