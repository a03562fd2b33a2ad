#include "document/readiness.h"

#include <algorithm>

#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::document {
namespace {

constexpr Nanos kLongest = std::chrono::minutes(10);

}  // namespace

absl::StatusOr<Readiness> validate(const v1::Readiness& message) {
  Readiness readiness;
  const std::string& path = message.http_path();
  const bool printable = std::ranges::all_of(path, [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!path.empty() && (path.front() != '/' || !printable))
    return absl::InvalidArgumentError(fmt::format(
        "shadow.readiness.http_path: \"{}\": must be a path without spaces that begins with '/', as \"/healthz\"",
        path));
  readiness.http_path = path;
  if (message.timeout().empty()) return readiness;
  auto timeout = parse_duration(message.timeout());
  if (!timeout.ok()) return annotate(timeout.status(), "shadow.readiness.timeout");
  if (timeout->count() == 0 || *timeout > kLongest)
    return absl::InvalidArgumentError(
        fmt::format("shadow.readiness.timeout: \"{}\": must be above zero, and 10m at most", message.timeout()));
  readiness.timeout = *timeout;
  return readiness;
}

}  // namespace gnomon::document
