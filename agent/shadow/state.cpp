#include "agent/shadow/state.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;

// "<pid>-<start ticks>": the same pid at another start is another process.
std::string process_name(const discovery::Process& process) {
  return fmt::format("{}-{}", process.pid, process.start_ticks);
}

std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    names.push_back(entry->path().filename().string());
  return names;
}

absl::StatusOr<UniqueFd> locked(const std::string& path, bool wait) {
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.valid()) return errno_status(path);
  while (::flock(file.get(), LOCK_EX | (wait ? 0 : LOCK_NB)) != 0) {
    if (errno == EWOULDBLOCK) return absl::FailedPreconditionError(fmt::format("{}: its agent is alive", path));
    if (errno != EINTR) return errno_status(path);
  }
  return file;
}

absl::Status make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return errno_status(fmt::format("state directory {}", path));
  return absl::OkStatus();
}

}  // namespace

pid_t living_process(const std::string& name) {
  const std::size_t dash = name.find('-');
  if (dash == 0 || dash == std::string::npos || name.find_first_not_of("0123456789-") != std::string::npos) return 0;
  const auto process = discovery::read_process("/proc", static_cast<pid_t>(std::atoi(name.c_str())));
  return process && process_name(*process) == name ? process->pid : 0;
}

absl::StatusOr<UniqueFd> lock_state_root(const std::string& state_root) {
  return locked(state_root + "/lock", true);
}

absl::StatusOr<StateDirectory> StateDirectory::make(const std::string& state_root) {
  const auto self = discovery::read_process("/proc", ::getpid());
  if (!self) return absl::FailedPreconditionError("/proc does not show this process: mount proc");
  const std::string name = process_name(*self), path = state_root + "/" + name;
  RETURN_IF_ERROR(make_directory(path));
  RETURN_IF_ERROR(make_directory(path + "/processes"));
  ASSIGN_OR_RETURN(UniqueFd lock, locked(path + "/lock", false));
  return StateDirectory(state_root, name, std::move(lock));
}

absl::StatusOr<StateDirectory> StateDirectory::take_over(const std::string& state_root, const std::string& name) {
  ASSIGN_OR_RETURN(UniqueFd lock, locked(state_root + "/" + name + "/lock", false));
  return StateDirectory(state_root, name, std::move(lock));
}

absl::Status StateDirectory::record_process(pid_t pid) {
  const auto process = discovery::read_process("/proc", pid);
  if (!process) return absl::NotFoundError(fmt::format("process {} has ended", pid));
  const std::string file = path() + "/processes/" + process_name(*process);
  const UniqueFd made(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  return made.valid() ? absl::OkStatus() : errno_status(file);
}

void StateDirectory::forget_process(pid_t pid) {
  for (const std::string& name : entries(path() + "/processes"))
    if (name.rfind(std::to_string(pid) + "-", 0) == 0) ::unlink((path() + "/processes/" + name).c_str());
}

std::vector<pid_t> StateDirectory::recorded_processes() const {
  std::vector<pid_t> pids;
  for (const std::string& name : entries(path() + "/processes"))
    if (const pid_t pid = living_process(name)) pids.push_back(pid);
  return pids;
}

absl::Status StateDirectory::remove() {
  for (const std::string& name : entries(path() + "/processes")) ::unlink((path() + "/processes/" + name).c_str());
  std::error_code error;
  fs::remove_all(path() + "/" + kTrial, error);  // files of an agent that was killed in it; nothing is mounted there
  for (const std::string& name : entries(path()))
    if (name != "lock") ::rmdir((path() + "/" + name).c_str());
  ::unlink((path() + "/lock").c_str());
  if (::rmdir(path().c_str()) != 0 && errno != ENOENT) return errno_status(path());
  return absl::OkStatus();
}

std::vector<std::string> state_directories(const std::string& state_root) {
  std::vector<std::string> names;
  for (const std::string& name : entries(state_root)) {
    std::error_code error;
    if (name.find('-') != std::string::npos && fs::is_directory(state_root + "/" + name, error)) names.push_back(name);
  }
  return names;
}

absl::Status kill_and_wait(const std::vector<pid_t>& pids) {
  constexpr int kPatienceMs = 2000;
  std::vector<std::pair<pid_t, UniqueFd>> killed;
  for (pid_t pid : pids) {
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process.valid()) continue;
    if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) == 0)
      killed.emplace_back(pid, std::move(process));
  }
  for (const auto& [pid, process] : killed) {
    pollfd wait{process.get(), POLLIN, 0};
    if (::poll(&wait, 1, kPatienceMs) != 1)
      return absl::DeadlineExceededError(fmt::format("process {} does not die of SIGKILL", pid));
    siginfo_t ignored{};
    ::waitid(P_PIDFD, static_cast<id_t>(process.get()), &ignored, WEXITED | WNOHANG);  // if it is ours to reap
  }
  return absl::OkStatus();
}

}  // namespace gnomon::shadow
