#include "agent/shadow/oci_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "agent/discovery/procfs.h"
#include "agent/shadow/bundle.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/namespaces.h"
#include "agent/shadow/output.h"
#include "agent/shadow/state.h"
#include "agent/shadow/tool.h"
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

absl::Status wait_for(pid_t pid, const std::string& name) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd wait{process.get(), POLLIN, 0};
  const bool ended = process.valid() && ::poll(&wait, 1, kPatienceMs) == 1;
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return absl::DeadlineExceededError(name + " did not finish in 20 s");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(WIFEXITED(status) ? fmt::format("{} ended with status {}", name, WEXITSTATUS(status))
                                               : fmt::format("{} was killed by signal {}", name, WTERMSIG(status)));
}

// Our init, which is told to start itself without arguments: then it says how it is used, and ends.
absl::Status start_init(const std::string& runtime, const std::string& init, const std::string& directory,
                        const std::string& cgroup) {
  ASSIGN_OR_RETURN(const UniqueFd network, new_network_namespace());
  ASSIGN_OR_RETURN(const auto output, OutputTail::open(::getuid(), ::getgid()));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("pipe");
  const UniqueFd lease(ends[0]), held(ends[1]);
  const Launch launch{.executable = kInitInside, .argv = {kInitInside}, .environment = {"PATH=/"}, .directory = "/"};
  const Bundle bundle{.root = directory + "/root",
                      .init = init,
                      .netns = fmt::format("/proc/{}/fd/{}", ::getpid(), network.get()),
                      .hostname = "trial",
                      .cgroup = cgroup,
                      .cpu = MilliCpu{100},
                      .memory = Bytes{32u << 20},
                      .processes = 32};
  std::ofstream config(directory + "/config.json");
  if (!(config << oci_config(launch, bundle) << std::flush)) return errno_status(directory + "/config.json");
  const absl::Status started =
      run_container({runtime, directory, "trial", output->write_end(), lease.get(), {}}).status();
  output->close_write_end();
  output->drain(kPatienceMs);
  const std::vector<std::string> lines = output->lines();
  const std::string said = lines.empty() ? "it wrote nothing" : lines.back();
  if (!started.ok()) return annotate(started, said);
  if (said.find("usage: gnomon-shadow-init") != std::string::npos) return absl::OkStatus();
  return absl::InternalError("what it started did not run: " + said);
}

}  // namespace

absl::StatusOr<std::string> find_runc() {
  std::string runc = find_program("runc");
  if (runc.empty()) return absl::NotFoundError("runc is not installed, which starts shadows: apt install runc");
  return runc;
}

std::string find_crun() {
  return find_program("crun");
}

absl::StatusOr<pid_t> run_container(const Start& start) {
  const std::string pid_file = start.bundle + "/pid", name = start.runtime.substr(start.runtime.rfind('/') + 1);
  std::vector<std::string> words = {start.runtime,
                                    "--root",
                                    start.bundle + "/runtime",
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
  pid_t runtime = 0;
  if (const int error =
          ::posix_spawn(&runtime, start.runtime.c_str(), &spawn.actions, &spawn.attributes, argv.data(), environment);
      error != 0)
    return errno_status(error, start.runtime);
  RETURN_IF_ERROR(wait_for(runtime, name));
  std::istringstream in(discovery::read_file(pid_file).value_or(""));
  pid_t pid = 0;
  if (!(in >> pid) || pid <= 0) return absl::InternalError(name + " has not said which process it started");
  return pid;
}

absl::Status try_oci_runtime(const std::string& runtime, const std::string& init, const std::string& directory,
                             const std::string& cgroup) {
  std::error_code error;
  std::filesystem::create_directories(directory + "/root", error);
  if (error) return errno_status(error.value(), directory);
  const HandedDown before = handed_down(kCgroupRoot, "trial");
  const absl::Status started = start_init(runtime, init, directory, cgroup);
  take_back(before);
  std::vector<std::string> cgroups;
  for (const Hierarchy& hierarchy : hierarchies(kCgroupRoot))
    if (std::string path = hierarchy.mount + cgroup; ::access(path.c_str(), F_OK) == 0) cgroups.push_back(path);
  const absl::Status ended = kill_and_wait(cgroup_processes(cgroups));
  const absl::Status removed = ended.ok() ? remove_cgroups(cgroups) : ended;
  std::filesystem::remove_all(directory, error);
  return started.ok() ? removed : started;
}

}  // namespace gnomon::shadow
