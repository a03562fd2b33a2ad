#pragma once
// The tables, and the version of them that this program reads and writes.

#include <string>

#include "absl/status/status.h"
#include "coordinator/store/sqlite.h"

namespace gnomon::store {

// Creates the tables in an empty database. A database of a newer version is refused with kFailedPrecondition.
absl::Status prepare_schema(sqlite3* database);

}  // namespace gnomon::store
