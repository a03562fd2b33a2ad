#pragma once
// How many processes and threads a shadow may have.

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace gnomon::shadow {

// Twice what the tree of the process has now, at least 2048; but the kernel counts a user's processes in production and
// shadow together (RLIMIT_NPROC), so no more than half of what the user has left: production can always fork.
// kFailedPrecondition with the remedy if that is too little for a copy; kNotFound if the process has gone.
absl::StatusOr<int> process_limit(const std::string& proc, pid_t pid);

}  // namespace gnomon::shadow
