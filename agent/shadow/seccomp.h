#pragma once
// Which system calls a shadow may not make.

#include "nlohmann/json_fwd.hpp"

namespace gnomon::shadow {

// "linux.seccomp" of an OCI configuration. What is not in it stays as it is in production: a service that probes for a
// call shall be answered as there. It is beside the capabilities, which refuse most of the same to a process that has
// none, because it also holds for what a service's own root may do and for what needs no right at all.
nlohmann::json seccomp_json();

}  // namespace gnomon::shadow
