#include "agent/shadow/oci_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "agent/discovery/procfs.h"
#include "agent/shadow/bundle.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr int kAside = 100;  // above any that a container is given

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnActions() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnActions() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
};

// In a process group of its own (Ctrl-C at our terminal must not stop it half-way), with no signal blocked or ignored.
void isolate(SpawnActions* spawn) {
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  for (int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) sigaddset(&usual, signal);
  posix_spawnattr_setsigmask(&spawn->attributes, &none);
  posix_spawnattr_setsigdefault(&spawn->attributes, &usual);
  posix_spawnattr_setpgroup(&spawn->attributes, 0);
  posix_spawnattr_setflags(&spawn->attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

absl::Status wait_for(pid_t pid) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd wait{process.get(), POLLIN, 0};
  const bool ended = process.valid() && ::poll(&wait, 1, kPatienceMs) == 1;
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return absl::DeadlineExceededError("runc did not finish in 20 s");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(WIFEXITED(status) ? fmt::format("runc ended with status {}", WEXITSTATUS(status))
                                               : fmt::format("runc was killed by signal {}", WTERMSIG(status)));
}

}  // namespace

absl::StatusOr<std::string> find_runc() {
  const char* path = std::getenv("PATH");
  std::istringstream directories(std::string(path ? path : "") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::string candidate = directory + "/runc";
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError("runc is not installed, which starts shadows: apt install runc");
}

absl::StatusOr<pid_t> run_container(const Start& start) {
  const std::string pid_file = start.bundle + "/pid";
  std::vector<std::string> words = {start.runc,
                                    "--root",
                                    start.bundle + "/runc",
                                    "run",
                                    "--detach",
                                    "--bundle",
                                    start.bundle,
                                    "--pid-file",
                                    pid_file,
                                    "--preserve-fds",
                                    std::to_string(1 + start.handed.size()),
                                    start.id};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path.data(), nullptr};  // nothing of ours: LISTEN_FDS would be taken for a promise

  // Aside first: one's number may be where another shall be.
  std::vector<UniqueFd> handed;
  handed.emplace_back(::fcntl(start.lease, F_DUPFD_CLOEXEC, kAside));
  for (const int fd : start.handed) handed.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, kAside));
  for (const UniqueFd& fd : handed)
    if (!fd.valid()) return errno_status("descriptors for the shadow");
  SpawnActions spawn;
  isolate(&spawn);
  posix_spawn_file_actions_addopen(&spawn.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&spawn.actions, start.output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&spawn.actions, start.output, STDERR_FILENO);
  for (std::size_t i = 0; i < handed.size(); ++i)  // last: they may be where the output was
    posix_spawn_file_actions_adddup2(&spawn.actions, handed[i].get(), kLeaseFd + static_cast<int>(i));
  pid_t runc = 0;
  if (const int error =
          ::posix_spawn(&runc, start.runc.c_str(), &spawn.actions, &spawn.attributes, argv.data(), environment);
      error != 0)
    return errno_status(error, start.runc);
  RETURN_IF_ERROR(wait_for(runc));
  std::istringstream in(discovery::read_file(pid_file).value_or(""));
  pid_t pid = 0;
  if (!(in >> pid) || pid <= 0) return absl::InternalError("runc has not said which process it started");
  return pid;
}

}  // namespace gnomon::shadow
