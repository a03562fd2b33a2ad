#pragma once
// Starting a container from a bundle with runc.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::shadow {

// The path of runc; kNotFound with the remedy.
absl::StatusOr<std::string> find_runc();

struct Start {
  std::string runc;
  std::string bundle;  // directory with config.json; runc's own state goes there too
  std::string id;
  int output = -1;          // standard output and error of the container (and of runc)
  int lease = -1;           // becomes kLeaseFd of its first process
  std::vector<int> handed;  // become those after it
};

// Creates and starts the container, in the caller's mount namespace. Returns the pid of its first process, seen from
// here.
absl::StatusOr<pid_t> run_container(const Start& start);

}  // namespace gnomon::shadow
