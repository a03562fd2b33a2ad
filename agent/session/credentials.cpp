#include "agent/session/credentials.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/status.h"
#include "common/unique_fd.h"

namespace gnomon::session {
namespace {

constexpr std::size_t kMostBytes = 4096;

}  // namespace

absl::StatusOr<std::string> read_password(const std::string& directory, const std::string& service) {
  const std::string path = directory + "/" + service;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid() && (errno == ENOENT || errno == ENOTDIR)) return std::string();
  std::string password(kMostBytes + 1, '\0');
  const ssize_t size = file.valid() ? ::read(file.get(), password.data(), password.size()) : -1;
  if (size < 0) return errno_status(fmt::format("credentials: cannot read {}", path));
  if (static_cast<std::size_t>(size) > kMostBytes)
    return absl::InvalidArgumentError(fmt::format("credentials: {} has more than {} bytes", path, kMostBytes));
  password.resize(static_cast<std::size_t>(size));
  if (password.ends_with('\n')) password.pop_back();
  return password;
}

}  // namespace gnomon::session
