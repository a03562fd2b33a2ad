#pragma once
// Owner types for SQLite's handles.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gnomon::store {

struct DatabaseCloser {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using DatabasePtr = std::unique_ptr<sqlite3, DatabaseCloser>;

struct StatementFinalizer {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// One prepared statement: parameters are bound from 1, columns read from 0. Errors of preparing and binding are kept
// and returned by the next step(), with SQLite's text.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql);
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, const std::string& text);
  Statement& bind_blob(int index, const std::string& bytes);

  // True: a row is there to be read; false: done.
  absl::StatusOr<bool> step();
  // Runs it to its end, ignoring rows.
  absl::Status run();
  // To be bound and run again.
  void reset();

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  std::string bytes(int column) const;  // text or blob

 private:
  void note(int code);
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, StatementFinalizer> statement_;
  absl::Status status_;
};

// The database's last error, as "<what>: <text>".
absl::Status sqlite_status(sqlite3* database, int code, const std::string& what);

absl::Status execute(sqlite3* database, const char* sql);

}  // namespace gnomon::store
