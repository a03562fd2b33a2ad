#include "agent/shadow/tool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "agent/shadow/output.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "common/wait.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gnomon::shadow {
namespace {

constexpr int kNotStarted = 127;

struct Child {
  char* const* argv;
  char* const* environment;
  const std::vector<UniqueFd>* cgroups;  // their cgroup.procs
  int input, output;
  pid_t parent;
};

// In the child of a process that may have threads: system calls only, up to execve. posix_spawn can do neither of the
// first two.
[[noreturn]] void become(const Child& child) {
  // Ends with the thread that waits for it; which may have ended before this was said.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != child.parent) ::_exit(kNotStarted);
  for (const UniqueFd& cgroup : *child.cgroups)
    if (::write(cgroup.get(), "0", 1) != 1) ::_exit(kNotStarted);
  for (int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);  // Ctrl-C at our terminal must not stop it half-way
  if (::dup2(child.input, STDIN_FILENO) < 0 || ::dup2(child.output, STDOUT_FILENO) < 0 ||
      ::dup2(child.output, STDERR_FILENO) < 0)
    ::_exit(kNotStarted);
  ::execve(child.argv[0], child.argv, child.environment);
  ::_exit(kNotStarted);
}

// Whether it ended by itself, in its time.
absl::Status wait_until(const UniqueFd& process, const ToolRun& run) {
  const auto deadline = std::chrono::steady_clock::now() + run.longest;
  if (process.valid() && gnomon::wait_for(process.get(), POLLIN, deadline, run.stop)) return absl::OkStatus();
  if (std::chrono::steady_clock::now() < deadline) return absl::CancelledError("it is not waited for any longer");
  return absl::DeadlineExceededError(fmt::format("did not finish in {} s", run.longest.count()));
}

std::string last_words(OutputTail& output) {
  output.drain(500);
  std::vector<std::string> lines;
  for (const std::string& line : output.lines())
    if (const std::size_t begin = line.find_first_not_of(" \t"); begin != std::string::npos)
      lines.push_back(line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1));
  return lines.empty() ? "it wrote nothing" : fmt::format("{}", fmt::join(lines, " | "));
}

}  // namespace

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(std::string(path ? path : "") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    std::string candidate = directory + "/" + name;
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

absl::Status run_tool(const ToolRun& run) {
  std::vector<std::string> words = run.argv;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  char* environment[] = {path.data(), nullptr};
  const std::string name = run.argv[0].substr(run.argv[0].rfind('/') + 1);
  std::vector<UniqueFd> cgroups;
  for (const std::string& directory : run.cgroups) {
    cgroups.emplace_back(::open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!cgroups.back().valid()) return errno_status(directory + "/cgroup.procs");
  }
  const UniqueFd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!input.valid()) return errno_status("/dev/null");
  ASSIGN_OR_RETURN(const std::unique_ptr<OutputTail> output, OutputTail::open(::getuid(), ::getgid()));
  const Child child{argv.data(), environment, &cgroups, input.get(), output->write_end(), ::getpid()};
  const pid_t pid = ::fork();
  if (pid < 0) return errno_status(name);
  if (pid == 0) become(child);
  output->close_write_end();

  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const absl::Status waited = wait_until(process, run);
  if (!waited.ok()) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!waited.ok()) return annotate(waited, name);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("{} ended with {} {}: {}", name, WIFEXITED(status) ? "status" : "signal",
                                         WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status),
                                         last_words(*output)));
}

}  // namespace gnomon::shadow
