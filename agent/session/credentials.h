#pragma once
// What a shadow's protocol asks its clients for, and no captured byte can answer. It stays on the node: the descriptor,
// which the coordinator keeps, does not hold it.

#include <string>

#include "absl/status/statusor.h"

namespace gnomon::session {

inline constexpr char kCredentials[] = "/etc/gnomon/credentials";

// The password in the file `service` of `directory`, without a line's end behind it; empty if there is no such file.
// Fails, without naming what is in it, if the file cannot be read or has more than 4 KiB.
absl::StatusOr<std::string> read_password(const std::string& directory, const std::string& service);

}  // namespace gnomon::session
