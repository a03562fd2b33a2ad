#include "coordinator/store/store.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/status.h"
#include "coordinator/store/schema.h"

namespace gnomon::store {
namespace {

constexpr int kBusyTimeoutMs = 2000;

absl::Status corrupt(const std::string& what) {
  return absl::DataLossError("database: " + what + " cannot be read; restore the file or choose another");
}

template <class Message>
absl::StatusOr<Message> parse(const Statement& row, int column, const char* what) {
  Message message;
  if (!message.ParseFromString(row.bytes(column))) return corrupt(what);
  return message;
}

// Every row's blob in column 0.
template <class Message>
absl::StatusOr<std::vector<Message>> read_all(Statement& statement, const char* what) {
  std::vector<Message> messages;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, statement.step());
    if (!row) return messages;
    ASSIGN_OR_RETURN(Message message, parse<Message>(statement, 0, what));
    messages.push_back(std::move(message));
  }
}

absl::Status make_directory_of(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  if (directory.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return errno_status(error.value(), directory.string());
  return absl::OkStatus();
}

absl::StatusOr<DatabasePtr> open_database(const std::string& path) {
  if (path != ":memory:") RETURN_IF_ERROR(make_directory_of(path));
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  DatabasePtr database(handle);
  if (code != SQLITE_OK) return sqlite_status(handle, code, "cannot be opened");
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  // The exclusive lock is taken by the first transaction and kept: a second coordinator on the file is refused.
  const absl::Status prepared = execute(handle,
                                        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                                        "PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT");
  if (absl::IsUnavailable(prepared))
    return absl::UnavailableError("is in use, probably by another gnomon-coordinator: stop it, or choose another file");
  if (!prepared.ok()) return prepared;
  RETURN_IF_ERROR(prepare_schema(handle));
  return database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::open(const std::string& path) {
  absl::StatusOr<DatabasePtr> database = open_database(path);
  if (!database.ok()) return annotate(database.status(), "database " + path);
  return std::unique_ptr<Store>(new Store(*std::move(database)));
}

absl::Status Store::put_node(const Node& node) {
  return Statement(database_.get(), "REPLACE INTO nodes (name, hello, last_seen_unix_ms, desired) VALUES (?, ?, ?, ?)")
      .bind(1, node.hello.node())
      .bind_blob(2, node.hello.SerializeAsString())
      .bind(3, node.last_seen_unix_ms)
      .bind_blob(4, node.desired.SerializeAsString())
      .run();
}

absl::StatusOr<std::vector<Node>> Store::nodes() const {
  std::vector<Node> nodes;
  Statement statement(database_.get(), "SELECT hello, last_seen_unix_ms, desired FROM nodes ORDER BY name");
  while (true) {
    ASSIGN_OR_RETURN(const bool row, statement.step());
    if (!row) return nodes;
    Node node;
    ASSIGN_OR_RETURN(node.hello, parse<v1::Hello>(statement, 0, "a node"));
    node.last_seen_unix_ms = statement.integer(1);
    ASSIGN_OR_RETURN(node.desired, parse<v1::DesiredState>(statement, 2, "a node's desired state"));
    nodes.push_back(std::move(node));
  }
}

absl::Status Store::put_service(const v1::ServiceDescriptor& service) {
  return Statement(database_.get(), "REPLACE INTO services (name, document) VALUES (?, ?)")
      .bind(1, service.name())
      .bind_blob(2, service.SerializeAsString())
      .run();
}

absl::StatusOr<std::vector<v1::ServiceDescriptor>> Store::services() const {
  Statement statement(database_.get(), "SELECT document FROM services ORDER BY name");
  return read_all<v1::ServiceDescriptor>(statement, "a service");
}

absl::Status Store::put_profile(const v1::Profile& profile) {
  return Statement(database_.get(), "REPLACE INTO profiles (id, document) VALUES (?, ?)")
      .bind(1, profile.id())
      .bind_blob(2, profile.SerializeAsString())
      .run();
}

absl::StatusOr<std::vector<v1::Profile>> Store::profiles() const {
  Statement statement(database_.get(), "SELECT document FROM profiles ORDER BY id");
  return read_all<v1::Profile>(statement, "a profile");
}

absl::Status Store::put_session(const v1::Session& session) {
  v1::Session document = session;
  document.clear_samples();
  return Statement(database_.get(),
                   "REPLACE INTO sessions (id, created_unix_ms, ended_unix_ms, document) VALUES (?, ?, ?, ?)")
      .bind(1, session.id())
      .bind(2, session.created_unix_ms())
      .bind(3, session.ended_unix_ms())
      .bind_blob(4, document.SerializeAsString())
      .run();
}

absl::StatusOr<v1::Session> Store::session(const std::string& id) const {
  Statement statement(database_.get(), "SELECT document FROM sessions WHERE id = ?");
  statement.bind(1, id);
  ASSIGN_OR_RETURN(const bool row, statement.step());
  if (!row) return absl::NotFoundError("session \"" + id + "\": no such session; `gnomon get sessions` lists them");
  return parse<v1::Session>(statement, 0, "a session");
}

absl::StatusOr<std::vector<v1::Session>> Store::read_sessions(const char* sql) const {
  Statement statement(database_.get(), sql);
  return read_all<v1::Session>(statement, "a session");
}

absl::StatusOr<std::vector<v1::Session>> Store::sessions() const {
  return read_sessions("SELECT document FROM sessions ORDER BY created_unix_ms, id");
}

absl::StatusOr<std::vector<v1::Session>> Store::sessions_not_ended() const {
  return read_sessions("SELECT document FROM sessions WHERE ended_unix_ms = 0 ORDER BY created_unix_ms, id");
}

absl::StatusOr<bool> Store::add_sample(const v1::Sample& sample, std::uint64_t batch, int position) {
  RETURN_IF_ERROR(
      Statement(database_.get(),
                "INSERT OR IGNORE INTO samples (session, role, end_unix_ms, block, settled, batch, position, "
                "counts, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?5, ?8)")
          .bind(1, sample.session_id())
          .bind(2, sample.role())
          .bind(3, sample.end_unix_ms())
          .bind(4, sample.block())
          .bind(5, sample.settled())
          .bind(6, static_cast<std::int64_t>(batch))
          .bind(7, position)
          .bind_blob(8, sample.SerializeAsString())
          .run());
  return sqlite3_changes(database_.get()) > 0;
}

absl::StatusOr<std::vector<v1::Sample>> Store::samples(const std::string& session) const {
  Statement statement(
      database_.get(),
      "SELECT document, counts FROM samples WHERE session = ? ORDER BY end_unix_ms, role, batch, position");
  statement.bind(1, session);
  std::vector<v1::Sample> samples;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, statement.step());
    if (!row) return samples;
    ASSIGN_OR_RETURN(v1::Sample sample, parse<v1::Sample>(statement, 0, "a sample"));
    sample.set_settled(statement.integer(1) != 0);
    samples.push_back(std::move(sample));
  }
}

absl::StatusOr<int> Store::discard_incomplete(const std::string& session, const std::vector<int>& completed) {
  std::string kept = "-1";
  for (int block : completed) kept += "," + std::to_string(block);
  const std::string sql =
      "UPDATE samples SET counts = 0 WHERE session = ? AND counts = 1 AND block NOT IN (" + kept + ")";
  RETURN_IF_ERROR(Statement(database_.get(), sql.c_str()).bind(1, session).run());
  return sqlite3_changes(database_.get());
}

Store::Transaction::Transaction(Store& store)
    : store_(store), begun_(execute(store.database_.get(), "BEGIN IMMEDIATE")), open_(begun_.ok()) {}

Store::Transaction::~Transaction() {
  if (open_) execute(store_.database_.get(), "ROLLBACK").IgnoreError();
}

absl::Status Store::Transaction::commit() {
  if (!open_) return begun_;
  RETURN_IF_ERROR(execute(store_.database_.get(), "COMMIT"));
  open_ = false;
  return absl::OkStatus();
}

}  // namespace gnomon::store
