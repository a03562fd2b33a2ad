#include "agent/shadow/process_shadow.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <future>
#include <optional>

#include "agent/discovery/procfs.h"
#include "agent/discovery/sockets.h"
#include "agent/shadow/bundle.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/egress.h"
#include "agent/shadow/given_bundle.h"
#include "agent/shadow/inherited.h"
#include "agent/shadow/launch.h"
#include "agent/shadow/limits.h"
#include "agent/shadow/namespaces.h"
#include "agent/shadow/network.h"
#include "agent/shadow/oci_runtime.h"
#include "agent/shadow/output.h"
#include "agent/shadow/process_limit.h"
#include "agent/shadow/readiness.h"
#include "agent/shadow/root_filesystem.h"
#include "agent/shadow/root_plan.h"
#include "common/log.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

constexpr char kDisks[] = "/sys/block";

constexpr char kProc[] = "/proc";

absl::StatusOr<std::string> hostname_of(pid_t pid) {
  const UniqueFd space(::open(fmt::format("{}/{}/ns/uts", kProc, pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!space.valid()) return errno_status(fmt::format("host name of process {}", pid));
  utsname name{};
  RETURN_IF_ERROR(run_inside(space.get(), CLONE_NEWUTS,
                             [&] { return ::uname(&name) == 0 ? absl::OkStatus() : errno_status("uname"); }));
  return std::string(name.nodename);
}

class ProcessShadow final : public Shadow {
 public:
  ProcessShadow(const Home& home, const Spec& spec, Bytes writable, std::unique_ptr<Reservation> reservation,
                std::unique_ptr<UnpackedImage> image)
      : state_(home.state),
        spec_(spec),
        writable_(writable),
        reservation_(std::move(reservation)),
        image_(std::move(image)) {}

  ~ProcessShadow() override {
    const std::vector<std::string> cgroups = agent_cgroups(kCgroupRoot, state_->name(), spec_.id);
    std::vector<pid_t> pids = cgroup_processes(cgroups);
    if (pid_ > 0 && std::find(pids.begin(), pids.end(), pid_) == pids.end() && alive()) pids.push_back(pid_);
    absl::Status gone = kill_and_wait(pids);
    if (pidfd_.valid()) {  // reaps it if it had ended by itself
      siginfo_t ignored{};
      ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ignored, WEXITED | WNOHANG);
    }
    if (gone.ok()) gone = remove_cgroups(cgroups);
    if (!gone.ok()) {
      spdlog::error("shadow {}: {}; the next start or cleanup removes it", spec_.id, std::string(gone.message()));
      return;
    }
    if (pid_ > 0) state_->forget_process(pid_);
  }

  absl::Status start(const Home& home) {
    const auto now = discovery::read_process(kProc, spec_.instance.pid);
    if (!now || now->start_ticks != spec_.instance.start_ticks)
      return absl::NotFoundError(fmt::format("process {} has ended or been replaced", spec_.instance.pid));
    ASSIGN_OR_RETURN(GivenBundle given, what_to_start());
    Launch& launch = given.launch;
    // Side by side, as neither needs the other.
    auto network = std::async(std::launch::async, [&] { return prepare_network(launch.argv); });
    const absl::Status root = prepare_root(given);
    ASSIGN_OR_RETURN(const Inherited inherited, network.get());
    RETURN_IF_ERROR(root);
    launch.environment.insert(launch.environment.end(), inherited.environment.begin(), inherited.environment.end());
    ASSIGN_OR_RETURN(output_, OutputTail::open(launch.uid, launch.gid));
    int lease[2];
    if (::pipe2(lease, O_CLOEXEC) != 0) return errno_status("pipe");
    const UniqueFd lease_end(lease[0]);
    lease_.reset(lease[1]);
    ASSIGN_OR_RETURN(const int processes, process_limit(kProc, spec_.instance.pid));
    const Bundle bundle{.root = root_->root(),
                        .binds = root_->binds(),
                        .masked = given.plan.masked,
                        .init = home.init,
                        .netns = fmt::format("{}/{}/fd/{}", kProc, ::getpid(), network_.shadow.get()),
                        .hostname = given.hostname,
                        .cgroup = cgroup(),
                        .cpu = reservation_->within_reach().cpu,
                        .memory = Bytes{spec_.memory.value + writable_.value},
                        .processes = processes,
                        .inherited = inherited.numbers};
    std::ofstream config(root_->scratch() + "/config.json");
    if (!(config << oci_config(launch, bundle) << std::flush))
      return errno_status("writing the shadow's configuration");
    Start start{home.oci_runtime, root_->scratch(), spec_.id, output_->write_end(), lease_end.get(), {}};
    for (const UniqueFd& descriptor : inherited.descriptors) start.handed.push_back(descriptor.get());
    return run(start);
  }

  pid_t pid() const override { return pid_; }
  int pidfd() const override { return pidfd_.get(); }
  bool alive() const override { return wait(-1, 0) == Ended::kNothing; }
  std::vector<std::string> log_tail() const override { return output_->lines(); }
  int replay_netns() const override { return network_.replay_netns(); }
  std::string address() const override { return network_.address; }
  std::uint16_t port() const override { return spec_.instance.listeners.front().port; }
  egress::Forwarder* forwarder() const override { return egress_->forwarder(); }
  int link_netns() const override { return network_.replay.get(); }
  std::vector<egress::Attempt> egress_attempts() const override { return egress_->attempts(); }

  absl::Status set_limits(MilliCpu cpu, Bytes memory, std::optional<unsigned> io_weight) override {
    if (io_weight) RETURN_IF_ERROR(knows_io_weights(kCgroupRoot, kDisks));
    const Budget before = reservation_->taken(), wanted{cpu, Bytes{memory.value + writable_.value}};
    // Of what grows the budget is asked first, what shrinks goes back when it is free.
    RETURN_IF_ERROR(reservation_->resize({std::max(before.cpu, wanted.cpu), std::max(before.memory, wanted.memory)}));
    Limits limits;
    limits.cpu = wanted.cpu;
    limits.memory = wanted.memory;
    limits.io_weight = io_weight;
    const absl::Status set = shadow::set_limits(kCgroupRoot, cgroup(), limits);
    if (set.ok()) return reservation_->resize(wanted);
    // All or nothing: half of it would be a load that nobody has asked for.
    limits.cpu = before.cpu;
    limits.memory = before.memory;
    limits.io_weight.reset();  // written last, if at all
    (void)shadow::set_limits(kCgroupRoot, cgroup(), limits);
    (void)reservation_->resize(before);
    return set;
  }

  absl::StatusOr<std::vector<UniqueFd>> wait_ready(const ReadyWhen& when) override {
    constexpr int kPauseMs = 2, kPauseOfAskingMs = 50;  // being asked costs the service something
    const auto deadline = std::chrono::steady_clock::now() + when.timeout;
    while (true) {
      std::vector<UniqueFd> listeners;
      if (somebody_listens()) listeners = borrow_listeners();
      absl::Status reached = absl::DeadlineExceededError(fmt::format("does not listen on port {}", port()));
      if (!listeners.empty()) {
        reached = run_inside(replay_netns(), CLONE_NEWNET, [&] { return try_out(when, deadline); });
        if (reached.ok()) {
          RETURN_IF_ERROR(hold_to_its_cpu());
          return listeners;
        }
      }
      switch (wait(when.stop, listeners.empty() ? kPauseMs : kPauseOfAskingMs)) {
        case Ended::kStopped:
          return absl::CancelledError("it is not waited for any longer");
        case Ended::kDied:
          return with_output(absl::FailedPreconditionError(end_of_process()));
        case Ended::kNothing:
          break;
      }
      if (std::chrono::steady_clock::now() >= deadline) {
        return with_output(absl::DeadlineExceededError(fmt::format(
            "after {} the shadow is not ready: {}", format_duration(when.timeout), std::string(reached.message()))));
      }
    }
  }

 private:
  // A copy of the process, or what its descriptor gives in its place.
  absl::StatusOr<GivenBundle> what_to_start() const {
    GivenBundle given;
    if (image_) {
      ASSIGN_OR_RETURN(given, from_image());
    } else if (!spec_.bundle.empty()) {
      auto bundle = read_bundle(spec_.bundle);
      if (!bundle.ok()) return annotate(bundle.status(), "shadow.bundle");
      given = *std::move(bundle);
    } else {
      ASSIGN_OR_RETURN(given.launch, read_launch(kProc, spec_.instance.pid));
      const std::string mountinfo = fmt::format("{}/{}/mountinfo", kProc, spec_.instance.pid);
      given.plan = plan_root(given.launch, discovery::read_file(mountinfo).value_or(""));
    }
    if (given.hostname.empty()) {
      ASSIGN_OR_RETURN(given.hostname, hostname_of(spec_.instance.pid));
    }
    return given;
  }

  // What an image cannot say is production's: host name, limits, and what root may. What umoci has put there are
  // defaults of its own, less than any runtime gives; another user than root keeps those that production has as well.
  absl::StatusOr<GivenBundle> from_image() const {
    auto given = read_bundle(image_->bundle());
    if (!given.ok()) return annotate(given.status(), "shadow.image");
    Launch& launch = given->launch;
    const std::vector<std::string> usual = launch.capabilities;
    read_allowances(kProc, spec_.instance.pid, &launch);
    launch.capabilities.clear();
    for (const std::string& name : launch.bounding_capabilities)
      if (launch.uid == 0 || std::ranges::count(usual, name) > 0) launch.capabilities.push_back(name);
    given->hostname.clear();
    return given;
  }

  std::string cgroup() const { return cgroup_path(state_->name(), spec_.id); }

  absl::Status prepare_root(const GivenBundle& given) {
    ASSIGN_OR_RETURN(const MountView view,
                     given.root.empty() ? view_of_process(spec_.instance.pid) : view_below(given.root));
    ASSIGN_OR_RETURN(RootFilesystem root,
                     RootFilesystem::build(view, given.plan, state_->path() + "/" + spec_.id, writable_));
    root_.emplace(std::move(root));
    return absl::OkStatus();
  }

  // With the guard, and with what the service inherits.
  absl::StatusOr<Inherited> prepare_network(const std::vector<std::string>& argv) {
    ASSIGN_OR_RETURN(network_, make_network(spec_.instance));
    ASSIGN_OR_RETURN(egress_, Egress::guard(network_, spec_.egress, kCgroupRoot, cgroup()));
    return recreate_inherited(kProc, spec_.instance, argv, network_.shadow.get());
  }

  // Until it was ready it might take what nobody had: programs and interpreters need more to start than to serve.
  absl::Status hold_to_its_cpu() const {
    Limits limits;
    limits.cpu = reservation_->taken().cpu;
    limits.io_weight = spec_.io_weight;
    if (spec_.io_weight) RETURN_IF_ERROR(knows_io_weights(kCgroupRoot, kDisks));
    return shadow::set_limits(kCgroupRoot, cgroup(), limits);
  }

  // In its network; far cheaper than to look who it is.
  bool somebody_listens() const {
    const auto sockets = discovery::tcp_sockets(kProc, pid_, discovery::TcpState::kListen);
    return sockets && std::ranges::any_of(*sockets, [&](const auto& socket) { return socket.port == port(); });
  }

  absl::Status run(const Start& start) {
    const HandedDown before = handed_down(kCgroupRoot, state_->name());
    const auto started = run_container(start);
    take_back(before);
    output_->close_write_end();
    if (!started.ok()) return with_output(started.status());
    pid_ = *started;
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!pidfd_.valid()) return with_output(errno_status("the shadow's first process"));
    const absl::Status recorded = state_->record_process(pid_);
    if (const absl::Status inside = egress_->check_inside(pid_); !inside.ok() && alive()) return inside;
    // It may have ended already: that is for wait_ready() to tell.
    return absl::IsNotFound(recorded) ? absl::OkStatus() : recorded;
  }

  // Does it take a connection, and answer?
  absl::Status try_out(const ReadyWhen& when, std::chrono::steady_clock::time_point deadline) const {
    using namespace std::chrono_literals;
    // One that hangs while it starts is asked again; the last time it has a moment left.
    const auto now = std::chrono::steady_clock::now();
    const Patience patience{std::clamp(deadline, now + 200ms, now + 1000ms), when.stop};
    if (!when.http_path.empty()) return answers_http(address(), port(), when.http_path, patience);
    const std::string_view protocol =
        when.protocol.empty() ? protocol_of_program(spec_.instance.command) : std::string_view(when.protocol);
    if (has_greeting(protocol)) return answers_greeting(address(), port(), protocol, patience);
    return accepts_connection(address(), port(), fmt::format("{}/{}/net", kProc, pid_), patience);
  }

  // Duplicates of what listens on the port; none also if a process that held one has just ended (a service that
  // daemonises).
  std::vector<UniqueFd> borrow_listeners() const {
    std::vector<UniqueFd> copies;
    for (const discovery::ListenSocket& listener : discovery::listeners_of_tree(kProc, pid_, port())) {
      auto copy = discovery::borrow_socket({listener.pid, listener.fd, listener.inode});
      if (!copy.ok()) return {};
      copies.push_back(std::move(*copy));
    }
    return copies;
  }

  enum class Ended { kNothing, kDied, kStopped };
  // Waits for its death, or until `stop` is readable.
  Ended wait(int stop, int timeout_ms) const {
    pollfd waits[] = {{pidfd_.get(), POLLIN, 0}, {stop, POLLIN, 0}};
    if (::poll(waits, 2, timeout_ms) <= 0) return Ended::kNothing;
    return waits[1].revents != 0 ? Ended::kStopped : Ended::kDied;
  }

  std::string end_of_process() const {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
      return fmt::format("the shadow ended before it was ready on port {}", port());
    return fmt::format("the shadow ended with {} {} before it was ready on port {}",
                       info.si_code == CLD_EXITED ? "status" : "signal", info.si_status, port());
  }

  absl::Status with_output(const absl::Status& status) {
    if (pid_ <= 0 || !alive()) output_->drain(500);  // nobody is left who could write more
    std::string text(status.message());
    const std::vector<std::string> lines = output_->lines();
    if (lines.empty()) text += "; it wrote nothing";
    for (std::size_t i = 0; i < lines.size(); ++i) text += (i == 0 ? "; its last lines: " : " | ") + lines[i];
    return absl::Status(status.code(), text + full_text(lines) + egress_->refused_text());
  }

  // A copy that did not fit is gone again by now: only its last lines tell.
  std::string full_text(const std::vector<std::string>& lines) const {
    const std::string full = std::strerror(ENOSPC);
    if (std::ranges::none_of(lines, [&](const std::string& line) { return line.find(full) != std::string::npos; }))
      return "";
    return fmt::format(
        "; it may write {}, in which a file that it opens for writing counts as a whole: raise "
        "resource_allocation.memory, of which that is half, or --budget-memory",
        format_bytes(writable_));
  }

  const std::shared_ptr<StateDirectory> state_;
  const Spec spec_;
  const Bytes writable_;
  std::unique_ptr<Reservation> reservation_;
  const std::unique_ptr<UnpackedImage> image_;  // null: none
  // In the order in which they are needed; what comes last goes first.
  std::optional<RootFilesystem> root_;
  Network network_;
  std::unique_ptr<Egress> egress_;
  std::unique_ptr<OutputTail> output_;
  UniqueFd lease_, pidfd_;
  pid_t pid_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Shadow>> start_shadow(const Home& home, const Spec& spec, Bytes writable,
                                                     std::unique_ptr<Reservation> reservation,
                                                     std::unique_ptr<UnpackedImage> image) {
  auto shadow = std::make_unique<ProcessShadow>(home, spec, writable, std::move(reservation), std::move(image));
  if (const absl::Status started = shadow->start(home); !started.ok())
    return annotate(started, fmt::format("shadow of {} (pid {})", spec.instance.command, spec.instance.pid));
  return shadow;
}

}  // namespace gnomon::shadow
