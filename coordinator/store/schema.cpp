#include "coordinator/store/schema.h"

#include "common/status.h"

namespace gnomon::store {
namespace {

constexpr std::int64_t kSchemaVersion = 1;

// Documents are protobuf blobs: their schema evolves with the messages. Columns are what is searched by.
constexpr const char* kTables = R"sql(
  CREATE TABLE nodes (
    name TEXT PRIMARY KEY, hello BLOB NOT NULL, last_seen_unix_ms INTEGER NOT NULL, desired BLOB NOT NULL);
  CREATE TABLE services (name TEXT PRIMARY KEY, document BLOB NOT NULL);
  CREATE TABLE profiles (id TEXT PRIMARY KEY, document BLOB NOT NULL);
  CREATE TABLE sessions (
    id TEXT PRIMARY KEY, created_unix_ms INTEGER NOT NULL, ended_unix_ms INTEGER NOT NULL, document BLOB NOT NULL);
  CREATE INDEX sessions_by_end ON sessions (ended_unix_ms);
  CREATE TABLE samples (
    session TEXT NOT NULL, role INTEGER NOT NULL, end_unix_ms INTEGER NOT NULL, block INTEGER NOT NULL,
    settled INTEGER NOT NULL, batch INTEGER NOT NULL, position INTEGER NOT NULL,
    counts INTEGER NOT NULL,  -- settled, and not discarded since
    document BLOB NOT NULL,
    PRIMARY KEY (session, role, end_unix_ms, block, settled, batch, position));
  PRAGMA user_version = 1;
)sql";

}  // namespace

absl::Status prepare_schema(sqlite3* database) {
  Statement read(database, "PRAGMA user_version");
  ASSIGN_OR_RETURN(const bool row, read.step());
  const std::int64_t version = row ? read.integer(0) : 0;
  read.reset();
  if (version > kSchemaVersion)
    return absl::FailedPreconditionError("its schema version is " + std::to_string(version) +
                                         ", this program knows up to " + std::to_string(kSchemaVersion) +
                                         ": run the newer gnomon-coordinator, or choose another file");
  if (version == kSchemaVersion) return absl::OkStatus();
  RETURN_IF_ERROR(execute(database, "BEGIN IMMEDIATE"));
  const absl::Status created = execute(database, kTables);
  if (!created.ok()) {
    execute(database, "ROLLBACK").IgnoreError();
    return created;
  }
  return execute(database, "COMMIT");
}

}  // namespace gnomon::store
