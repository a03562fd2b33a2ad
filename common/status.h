#pragma once
// Recoverable errors are values: absl::Status and absl::StatusOr, with a message that tells an operator what to do
// next. Debian's absl::string_view is not std::string_view: build messages with std::string or fmt, not with
// absl::StrCat.

#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gnomon {

// A status for the errno value `error` (positive), as "<what>: <strerror>". EPERM and EACCES become kPermissionDenied,
// ENOENT kNotFound, EEXIST kAlreadyExists; everything else is kInternal.
absl::Status errno_status(int error, std::string_view what);

// The same for the current value of errno.
inline absl::Status errno_status(std::string_view what) {
  return errno_status(errno, what);
}

// The same code and payload, with `context` and ": " put before the message. OK stays OK.
absl::Status annotate(const absl::Status& status, std::string_view context);

}  // namespace gnomon

#define GNOMON_CONCAT_INNER(a, b) a##b
#define GNOMON_CONCAT(a, b) GNOMON_CONCAT_INNER(a, b)

// Returns from the enclosing function with the status of `expr` unless it is OK.
#define RETURN_IF_ERROR(expr)                                                                                      \
  do {                                                                                                             \
    if (absl::Status return_if_error_status = (expr); !return_if_error_status.ok()) return return_if_error_status; \
  } while (false)

// `lhs` takes the value of the StatusOr `expr`, or the enclosing function returns its status.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_IMPL(GNOMON_CONCAT(status_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                          \
  if (!tmp.ok()) return tmp.status();         \
  lhs = std::move(tmp).value()
