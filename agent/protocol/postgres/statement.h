#pragma once
// What a statement is and may do, told from its text alone.

#include <string>
#include <string_view>

namespace gnomon::protocol::pg {

struct Statement {
  enum class Kind {
    kOrdinary,
    kEmpty,
    kBegin,  // … to kRollback: the bounds of transactions
    kMode,   // SET TRANSACTION
    kCommit,
    kRollback,
    kChain,  // COMMIT or ROLLBACK AND CHAIN: the next transaction begins at once
    kSet,    // … to kDiscard: the session's state; SET and RESET of `name`
    kResetAll,
    kPrepare,     // as `name`; the statement is what it prepares, for its EXECUTE
    kExecute,     // of `name`
    kDeallocate,  // `name`
    kDeallocateAll,
    kDiscardAll,
    kCopyIn,        // COPY FROM STDIN: the client's data follow
    kUnreplayable,  // LISTEN, or a setting under which the text of later statements cannot be told apart
  };
  Kind kind = Kind::kOrdinary;
  bool write = false;          // is not known to be a read
  bool calls_unknown = false;  // a read but for a function that is not known: one, in a READ ONLY transaction
  bool read_only = false;      // kBegin, kMode: READ ONLY
  bool read_write = false;     // … READ WRITE
  std::string name;            // of the setting or prepared statement, as the server folds it
  std::string text;            // itself, where later sessions must say it again
  std::string endpoint;        // "SELECT orders": verb and first relation

  bool bounds_transaction() const { return kind >= Kind::kBegin && kind <= Kind::kChain; }
};

// The next statement, taken off the front of a simple query's text. False: there is none.
bool take_statement(std::string_view& sql, Statement& statement);

}  // namespace gnomon::protocol::pg
