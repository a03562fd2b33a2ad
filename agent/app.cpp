#include "agent/app.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <iterator>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <utility>

#include "agent/discovery/instance.h"
#include "agent/probe/probe.h"
#include "agent/session/session.h"
#include "common/log.h"
#include "common/scheduling.h"
#include "common/status.h"
#include "common/version.h"
#include "telemetry/exposition.h"

namespace gnomon::agent {
namespace {

using namespace std::chrono_literals;

constexpr char kBtf[] = "/sys/kernel/btf/vmlinux";
constexpr Nanos kTapPoll = 5ms;  // the tap wakes its reader early only when the ring fills
constexpr Nanos kDiscoverEvery = 3s;
constexpr Nanos kLastWords = 2s;  // for the last samples to be stored

Bytes machine_memory() {
  return {static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
}

link::NodeFacts node_facts(const Config& config) {
  utsname kernel{};
  ::uname(&kernel);
  return {.node = config.node,
          .version = kVersion,
          .kernel = kernel.release,
          .cpus = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_ONLN)),
          .memory = machine_memory(),
          .budget_cpu = config.budget.cpu,
          .budget_memory = config.budget.memory};
}

Config with_defaults(Config config) {
  if (config.node.empty()) {
    utsname host{};
    ::uname(&host);
    config.node = host.nodename;
  }
  if (config.budget.cpu.value == 0)
    config.budget.cpu.value = std::max<std::int64_t>(500, ::sysconf(_SC_NPROCESSORS_ONLN) * 500);
  if (config.budget.memory.value == 0) config.budget.memory.value = machine_memory().value / 4;
  return config;
}

class AppImpl final : public App {
 public:
  AppImpl(Config config, std::unique_ptr<shadow::Runtime> runtime)
      : config_(std::move(config)), runtime_(std::move(runtime)) {}

  ~AppImpl() override {
    exposition_.reset();
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (reconciler_.joinable()) reconciler_.join();
    // A session that ends because the agent does is not reported as ended: the next agent takes it up again.
    std::map<std::string, std::unique_ptr<session::Session>> ending;
    {
      const std::unique_lock lock(sessions_mutex_);
      ending.swap(sessions_);
    }
    ending.clear();
    stop_tap();
    if (link_ && link_->connected()) link_->drain(kLastWords);
  }

  void connect(std::shared_ptr<grpc::ChannelInterface> channel) override {
    link_ = std::make_unique<link::Link>(std::move(channel), node_facts(config_), [this](link::DesiredState desired) {
      {
        const std::lock_guard lock(mutex_);
        desired_ = std::move(desired);
        dirty_ = true;
      }
      changed_.notify_all();
    });
    reconciler_ = std::thread([this] { reconcile_loop(); });
    if (config_.metrics.empty() || config_.metrics == "off") return;
    // Watching comes after working: where nothing can be served, that is said, and the agent goes on.
    auto served = telemetry::Exposition::serve(config_.metrics, [this] { return metrics(); });
    if (served.ok())
      exposition_ = *std::move(served);
    else
      spdlog::error("{}", std::string(served.status().message()));
  }

 private:
  void reconcile_loop() {
    while (true) {
      link::DesiredState desired;
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, kDiscoverEvery, [this] { return dirty_ || stopping_; });
        if (stopping_) return;
        dirty_ = false;
        desired = desired_;
      }
      reconcile(desired);
      discover(desired);
      publish(desired.revision);
    }
  }

  // Ends what is not wanted any more, starts what is and has not been.
  void reconcile(const link::DesiredState& desired) {
    std::vector<std::unique_ptr<session::Session>> ended;
    {
      const std::unique_lock lock(sessions_mutex_);
      for (auto it = sessions_.begin(); it != sessions_.end();) {
        const bool wanted =
            std::ranges::any_of(desired.sessions, [&](const auto& plan) { return plan.id == it->first; });
        if (!wanted) ended.push_back(std::move(it->second));
        it = wanted ? std::next(it) : sessions_.erase(it);
      }
    }
    ended.clear();  // joins their threads; not under the lock that the tap takes
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(reports_, [&](const auto& entry) {
        return std::ranges::none_of(desired.sessions, [&](const auto& plan) { return plan.id == entry.first; });
      });
      std::erase_if(totals_, [&](const auto& entry) { return !reports_.contains(entry.first); });
    }
    for (const session::Plan& plan : desired.sessions) {
      if (!known(plan.id)) start(plan);
      const std::shared_lock lock(sessions_mutex_);
      if (const auto session = sessions_.find(plan.id); session != sessions_.end()) {
        session->second->set_sampled_fraction(plan.service.sampled_fraction);
        session->second->set_noise(plan.profile);
        session->second->set_resources(plan.profile);
      }
    }
    if (desired.sessions.empty()) stop_tap();  // unwatched production pays for nothing
  }

  bool known(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return reports_.contains(id);
  }

  void start(const session::Plan& plan) {
    take_report({.id = plan.id, .state = session::State::kStarting, .completed_blocks = plan.completed_blocks});
    if (absl::Status status = start_tap(); !status.ok()) {
      spdlog::error("{}", std::string(status.message()));
      take_report({.id = plan.id,
                   .state = session::State::kFailed,
                   .message = std::string(status.message()),
                   .completed_blocks = plan.completed_blocks});
      return;
    }
    auto session = std::make_unique<session::Session>(
        plan, session::Services{*probe_, *runtime_, config_.credentials},
        [this](session::Report report) { take_report(std::move(report)); },
        [this, service = plan.service.name](std::vector<telemetry::Sample> samples) {
          count(service, samples);
          link_->send(std::move(samples));
        });
    const std::unique_lock lock(sessions_mutex_);
    sessions_.emplace(plan.id, std::move(session));
  }

  void count(const std::string& service, const std::vector<telemetry::Sample>& samples) {
    const std::lock_guard lock(mutex_);
    for (const telemetry::Sample& sample : samples) {
      telemetry::SessionTotals& totals = totals_[sample.session_id];
      totals.session = sample.session_id;
      totals.service = service;
      totals.tap += sample.tap;
      totals.replay += sample.replay;
    }
  }

  telemetry::Families metrics() {
    using telemetry::single;
    telemetry::Families families = telemetry::process_families("agent", kVersion);
    families.push_back(
        single("gnomon_agent_connected", "1 while a coordinator is connected", link_ && link_->connected() ? 1 : 0));
    families.push_back(single("gnomon_agent_dropped_samples_total",
                              "samples dropped, as the coordinator was away for too long",
                              link_ ? static_cast<double>(link_->dropped_samples()) : 0));
    families.push_back(single("gnomon_agent_tap_ring_bytes", "size of the kernel's buffer of captured bytes",
                              static_cast<double>(config_.tap_ring.value)));
    {
      const std::shared_lock lock(sessions_mutex_);
      families.push_back(single("gnomon_agent_probe_missed_runs_total",
                                "runs of the kernel's programs that it skipped, since a session first asked for them",
                                probe_ ? static_cast<double>(probe_->missed_runs()) : 0));
    }
    std::vector<telemetry::SessionTotals> sessions;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, totals] : totals_) sessions.push_back(totals);
    }
    auto counters = telemetry::counter_families("agent", sessions);
    families.insert(families.end(), std::move_iterator(counters.begin()), std::move_iterator(counters.end()));
    return families;
  }

  void take_report(session::Report report) {
    {
      const std::lock_guard lock(mutex_);
      reports_.insert_or_assign(report.id, std::move(report));
    }
    publish();
  }

  absl::Status start_tap() {
    if (probe_) return absl::OkStatus();
    ASSIGN_OR_RETURN(auto loaded, probe::Probe::load({.ring = config_.tap_ring}));
    {
      const std::unique_lock lock(sessions_mutex_);
      probe_ = std::move(loaded);
    }
    tap_stop_ = false;
    tap_ = std::thread([this] { tap_loop(); });
    return absl::OkStatus();
  }

  void stop_tap() {
    if (!probe_) return;
    tap_stop_ = true;
    tap_.join();
    const std::unique_lock lock(sessions_mutex_);
    probe_.reset();
  }

  void tap_loop() {
    wait_for_turn();  // the rings hold what is captured until then
    const auto sink = [this](const tap_record& header, std::span<const std::byte> payload) {
      const std::shared_lock lock(sessions_mutex_);
      for (const auto& [id, session] : sessions_)
        if (session->record(header, payload)) return;
    };
    while (!tap_stop_)
      if (auto polled = probe_->poll(sink, kTapPoll); !polled.ok()) {
        spdlog::error("{}", std::string(polled.status().message()));
        return;  // sessions end when they look at the probe
      }
  }

  void discover(const link::DesiredState& desired) {
    std::vector<link::InstanceReport> instances;
    for (const document::Service& service : desired.services) {
      auto found = discovery::find_instance("/proc", "/sys/fs/cgroup", service.port, service.pid);
      link::InstanceReport report{.service = service.name};
      if (found.ok())
        report.instance = *std::move(found);
      else
        report.error = std::string(found.status().message());
      instances.push_back(std::move(report));
    }
    const std::lock_guard lock(mutex_);
    instances_ = std::move(instances);
  }

  void publish(std::uint64_t revision) {
    {
      const std::lock_guard lock(mutex_);
      applied_revision_ = revision;
    }
    publish();
  }

  void publish() {
    link::NodeReport report;
    {
      const std::lock_guard lock(mutex_);
      report.applied_revision = applied_revision_;
      report.instances = instances_;
      for (const auto& [id, session] : reports_) report.sessions.push_back(session);
    }
    link_->report(std::move(report));
  }

  const Config config_;
  const std::unique_ptr<shadow::Runtime> runtime_;

  std::mutex mutex_;  // guards from here to the next blank line
  std::condition_variable changed_;
  link::DesiredState desired_;
  bool dirty_ = false, stopping_ = false;
  std::uint64_t applied_revision_ = 0;
  std::vector<link::InstanceReport> instances_;
  std::map<std::string, session::Report> reports_;
  std::map<std::string, telemetry::SessionTotals> totals_;  // of sessions that are wanted

  std::unique_ptr<probe::Probe> probe_;  // reconciler's; the tap's thread lives only while it does
  std::atomic<bool> tap_stop_ = false;
  std::thread tap_;
  std::shared_mutex sessions_mutex_;  // the reconciler writes, the tap reads
  std::map<std::string, std::unique_ptr<session::Session>> sessions_;
  std::unique_ptr<link::Link> link_;
  std::thread reconciler_;
  std::unique_ptr<telemetry::Exposition> exposition_;
};

// Each replayed client is a socket: the usual 1024 descriptors would be blamed on the shadow. And memory here holds
// payload, the shadow's as well (it inherits this): a core size of 1 keeps even a piped core_pattern from writing it.
void limit_resources() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  const rlimit core{1, 1};
  ::setrlimit(RLIMIT_CORE, &core);
}

}  // namespace

absl::Status preflight() {
  if (::geteuid() != 0) return absl::PermissionDeniedError("needs root (namespaces, cgroups, BPF): run it with sudo");
  if (!std::filesystem::exists(kBtf))
    return absl::FailedPreconditionError(
        fmt::format("{} is missing: the probe needs a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's are)", kBtf));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<App>> App::create(Config config) {
  RETURN_IF_ERROR(preflight());
  limit_resources();
  config = with_defaults(std::move(config));
  ASSIGN_OR_RETURN(auto runtime, shadow::Runtime::create(config.state_root, config.budget));
  return std::make_unique<AppImpl>(std::move(config), std::move(runtime));
}

}  // namespace gnomon::agent
