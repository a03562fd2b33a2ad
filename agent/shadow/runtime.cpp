#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <mutex>

#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/ledger.h"
#include "agent/shadow/limits.h"
#include "agent/shadow/oci_runtime.h"
#include "agent/shadow/process_shadow.h"
#include "agent/shadow/shadow.h"
#include "agent/shadow/state.h"
#include "common/log.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;

// The program that stands beside this one, as installed and as built.
absl::StatusOr<std::string> find_init() {
  const auto self = discovery::read_link("/proc/self/exe");
  if (!self) return errno_status("/proc/self/exe");
  std::string init = fs::path(*self).parent_path().string() + "/gnomon-shadow-init";
  if (::access(init.c_str(), X_OK) != 0) return errno_status(fmt::format("{} (install it beside this program)", init));
  return init;
}

absl::StatusOr<std::string> make_state_root(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return errno_status(error.value(), fmt::format("state directory {} (needs root)", path));
  const std::string canonical = fs::canonical(path, error).string();
  if (error) return errno_status(error.value(), path);
  // They would end a path in the options of an overlay.
  if (canonical.find_first_of(":,\\") != std::string::npos)
    return absl::InvalidArgumentError(
        fmt::format("state directory {}: a path without ':', ',' and '\\' is needed", path));
  return canonical;
}

// Mounts of the host are still seen, those made here are not seen there and go with the process.
absl::Status enter_private_mount_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) return errno_status("private mount namespace (needs CAP_SYS_ADMIN: run as root)");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return errno_status("private mount namespace");
  return absl::OkStatus();
}

// Those that this process may run on.
std::vector<int> usable_cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;  // more than fit: to none in particular, then
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void sweep_agent(StateDirectory state, bool check_only, std::vector<Leftover>* found) {
  const std::vector<std::string> cgroups = agent_cgroups(kCgroupRoot, state.name());
  std::vector<pid_t> pids = state.recorded_processes();
  for (pid_t pid : cgroup_processes(cgroups))
    if (std::find(pids.begin(), pids.end(), pid) == pids.end()) pids.push_back(pid);
  const auto problem = [](const absl::Status& status) { return std::string(status.message()); };

  const absl::Status killed = check_only ? absl::OkStatus() : kill_and_wait(pids);
  for (pid_t pid : pids) found->push_back({"process", std::to_string(pid), problem(killed)});
  const absl::Status removed = check_only ? absl::OkStatus() : remove_cgroups(cgroups);
  for (const std::string& cgroup : cgroups) {
    const bool stays = ::access(cgroup.c_str(), F_OK) == 0;
    found->push_back({"cgroup", cgroup, stays ? problem(removed) : ""});
  }
  // As long as something of the agent is left its directory stays: it is what the next sweep goes by.
  absl::Status forgotten;
  if (!check_only) forgotten = !killed.ok() ? killed : !removed.ok() ? removed : state.remove();
  found->push_back({"state directory", state.path(), problem(forgotten)});
}

// Cgroups that a container runtime made after its agent was killed and swept: no state directory tells of them.
void sweep_orphans(bool check_only, std::vector<Leftover>* found) {
  for (const std::string& agent : agents_with_cgroups(kCgroupRoot)) {
    if (living_process(agent) != 0) continue;
    const std::vector<std::string> cgroups = agent_cgroups(kCgroupRoot, agent);
    if (std::ranges::any_of(*found, [&](const Leftover& one) { return one.what == cgroups.back(); })) continue;
    // Only what is empty: an agent in another pid namespace would look dead from here.
    if (!cgroup_processes(cgroups).empty()) continue;
    const absl::Status removed = check_only ? absl::OkStatus() : remove_cgroups(cgroups);
    for (const std::string& cgroup : cgroups) found->push_back({"cgroup", cgroup, std::string(removed.message())});
  }
}

absl::StatusOr<std::vector<Leftover>> sweep_locked(const std::string& state_root, bool check_only) {
  std::vector<Leftover> found;
  for (const std::string& name : state_directories(state_root)) {
    auto state = StateDirectory::take_over(state_root, name);
    if (state.ok())
      sweep_agent(std::move(*state), check_only, &found);
    else if (!absl::IsFailedPrecondition(state.status()) && !absl::IsNotFound(state.status()))
      found.push_back({"state directory", state_root + "/" + name, std::string(state.status().message())});
  }
  sweep_orphans(check_only, &found);
  if (!check_only && !found.empty()) remove_empty_parents(kCgroupRoot);
  return found;
}

class ProcessRuntime final : public Runtime {
 public:
  ProcessRuntime(Budget budget, StateDirectory state, std::string init)
      : budget_(budget),
        home_{std::make_shared<StateDirectory>(std::move(state)), "", std::move(init)},
        ledger_(std::make_shared<Ledger>(budget)) {}

  // Once its cgroup is there.
  absl::Status choose_oci_runtime(const std::string& asked) {
    home_.oci_runtime = asked.empty() ? find_crun() : asked;
    if (!asked.empty()) return absl::OkStatus();
    if (!home_.oci_runtime.empty()) {
      const absl::Status tried = try_oci_runtime(home_.oci_runtime, home_.init, home_.state->path() + "/" + kTrial,
                                                 cgroup_path(home_.state->name(), kTrial));
      if (tried.ok()) return tried;
      spdlog::info("runc starts shadows, as crun cannot here: {}", std::string(tried.message()));
    }
    ASSIGN_OR_RETURN(home_.oci_runtime, find_runc());
    return absl::OkStatus();
  }

  ~ProcessRuntime() override {
    const std::vector<std::string> cgroups = agent_cgroups(kCgroupRoot, home_.state->name());
    const absl::Status removed = remove_cgroups(cgroups);
    remove_empty_parents(kCgroupRoot);
    if (removed.ok()) (void)home_.state->remove();  // else the next sweep needs it
  }

  Budget budget() const override { return budget_; }
  std::string oci_runtime() const override { return home_.oci_runtime; }

  absl::StatusOr<std::unique_ptr<Shadow>> start(const Spec& spec) override {
    if (spec.id.empty() || spec.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
      return absl::InvalidArgumentError(
          fmt::format("shadow id \"{}\": letters a-z, digits and '-' are allowed", spec.id));
    ASSIGN_OR_RETURN(auto reservation, ledger_->reserve({spec.cpu, spec.memory}));
    ASSIGN_OR_RETURN(const Bytes writable, reserve_writable(spec, reservation.get()));
    std::unique_ptr<UnpackedImage> image;
    if (spec.image) {
      ASSIGN_OR_RETURN(image, unpack(spec, reservation->within_reach().cpu));
    }
    return start_shadow(home_, spec, writable, std::move(reservation), std::move(image));
  }

 private:
  absl::StatusOr<std::unique_ptr<UnpackedImage>> unpack(const Spec& spec, MilliCpu cpu) {
    const std::string name = spec.id + ".image";  // which is no session's
    return UnpackedImage::unpack(*spec.image,
                                 {.directory = home_.state->path() + "/" + name,
                                  .cgroup = cgroup_path(home_.state->name(), name),
                                  .cpu = cpu,
                                  .stop = spec.stop},
                                 *ledger_);
  }

  // What a shadow writes is kept in memory, and counted as such. On top of its memory limit: so files that fill up are
  // refused, as on a full disk, before anything is killed. Half of the limit, or less if that is not free.
  absl::StatusOr<Bytes> reserve_writable(const Spec& spec, Reservation* reservation) {
    constexpr std::uint64_t kLeast = 16u << 20;
    const std::lock_guard lock(reserving_);  // that nobody takes in between what is seen as free
    const std::uint64_t free = reservation->within_reach().memory.value - spec.memory.value;
    const Bytes writable{std::max(kLeast, std::min(spec.memory.value / 2, free))};
    const absl::Status taken = reservation->resize({spec.cpu, Bytes{spec.memory.value + writable.value}});
    if (!taken.ok()) return annotate(taken, fmt::format("with {} for what it writes", format_bytes(writable)));
    return writable;
  }

  const Budget budget_;
  Home home_;
  std::mutex reserving_;
  const std::shared_ptr<Ledger> ledger_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Runtime>> Runtime::create(const std::string& state_root, Budget budget,
                                                         const std::string& oci_runtime) {
  if (oci_runtime.empty() && find_crun().empty()) RETURN_IF_ERROR(find_runc().status());
  ASSIGN_OR_RETURN(std::string init, find_init());
  if (budget.cpu.value <= 0 || budget.memory.value == 0)
    return absl::InvalidArgumentError("the shadow budget is empty: give it CPUs and memory");
  ASSIGN_OR_RETURN(const std::string root, make_state_root(state_root));
  RETURN_IF_ERROR(enter_private_mount_namespace());
  ASSIGN_OR_RETURN(UniqueFd lock, lock_state_root(root));
  RETURN_IF_ERROR(sweep_locked(root, false).status());
  ASSIGN_OR_RETURN(StateDirectory state, StateDirectory::make(root));
  lock.reset();
  const std::string name = state.name();
  // What has been made is removed by its destructor if the rest fails.
  auto runtime = std::make_unique<ProcessRuntime>(budget, std::move(state), std::move(init));
  RETURN_IF_ERROR(make_budget_cgroup(kCgroupRoot, name, budget, cpus_of_shadows(usable_cpus(), budget.cpu)));
  // A shadow's first process is started by a program that goes; so that its end can be told, it comes to us and not to
  // init.
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return errno_status("prctl");
  RETURN_IF_ERROR(runtime->choose_oci_runtime(oci_runtime));
  return runtime;
}

absl::StatusOr<std::vector<Leftover>> sweep(const std::string& state_root, bool check_only) {
  if (::access(state_root.c_str(), F_OK) != 0) {
    if (errno == ENOENT) return std::vector<Leftover>{};
    return errno_status(state_root);
  }
  std::error_code error;
  const std::string root = fs::canonical(state_root, error).string();
  if (error) return errno_status(error.value(), state_root);
  ASSIGN_OR_RETURN(const UniqueFd lock, lock_state_root(root));
  return sweep_locked(root, check_only);
}

}  // namespace gnomon::shadow
