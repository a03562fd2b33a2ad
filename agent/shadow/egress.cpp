#include "agent/shadow/egress.h"

#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "agent/shadow/cgroups.h"
#include "agent/shadow/namespaces.h"
#include "common/log.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

constexpr std::size_t kMostDestinations = 64;
constexpr std::size_t kNamedInErrors = 3;

absl::StatusOr<egress::Link> link_of(const Network& network) {
  egress::Link link{.device = kReplayLink};
  link.agent_v4 = document::parse_address(kReplayV4).value_or(egress::IpAddress{});
  link.agent_v6 = document::parse_address(kReplayV6).value_or(egress::IpAddress{});
  for (const std::string& own : network.own_addresses) {
    const auto address = document::parse_address(own);
    if (!address) return absl::InternalError(fmt::format("egress guard: address {}", own));
    link.own.push_back(*address);
  }
  return link;
}

// The v2 cgroup of that path, made if it has to be; empty without a v2 hierarchy.
absl::StatusOr<std::string> make_v2_cgroup(const std::string& root, const std::string& path) {
  for (const Hierarchy& hierarchy : hierarchies(root)) {
    if (!hierarchy.v2) continue;
    const std::string directory = hierarchy.mount + path;
    if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
      return errno_status(fmt::format("egress guard: making cgroup {}", directory));
    return directory;
  }
  return std::string();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Egress>> Egress::guard(const Network& network, std::vector<egress::EgressRule> rules,
                                                      const std::string& cgroup_root, const std::string& cgroup) {
  ASSIGN_OR_RETURN(const egress::Link link, link_of(network));
  ASSIGN_OR_RETURN(const std::string directory, make_v2_cgroup(cgroup_root, cgroup));
  if (directory.empty() && !rules.empty())
    return absl::FailedPreconditionError(
        fmt::format("shadow.egress: rules need a cgroup v2 hierarchy, and {} has none: mount one (\"mount -t cgroup2 "
                    "none {}/unified\"), or leave the rules out: then all is denied",
                    cgroup_root, cgroup_root));
  absl::StatusOr<egress::Listeners> listeners = egress::Listeners{};
  RETURN_IF_ERROR(run_inside(network.replay.get(), CLONE_NEWNET, [&] {
    listeners = egress::listen_for(link, rules);
    return listeners.status();
  }));
  ASSIGN_OR_RETURN(auto guard, egress::Guard::load(link, rules, listeners->ports));
  std::unique_ptr<Egress> egress(new Egress(std::move(guard)));
  RETURN_IF_ERROR(run_inside(network.replay.get(), CLONE_NEWNET, [&] { return egress->guard_->attach_to_link(); }));
  if (directory.empty())
    spdlog::warn("no cgroup v2 hierarchy at {}: shadows are guarded at their link alone", cgroup_root);
  else
    RETURN_IF_ERROR(egress->guard_->attach_to_cgroup(directory));
  egress->directory_ = directory;
  if (!rules.empty()) {
    ASSIGN_OR_RETURN(egress->forwarder_, egress::Forwarder::start(*std::move(listeners), std::move(rules),
                                                                  *egress->guard_, std::random_device{}()));
  }
  return egress;
}

Egress::~Egress() {
  if (!forwarder_) return;
  const egress::Forwarder::Totals totals = forwarder_->totals();
  if (totals.failed + totals.refused + totals.dropped > 0)
    spdlog::warn("egress: of {} connections {} could not be made and {} were turned away; {} datagrams were lost",
                 totals.accepted, totals.failed, totals.refused, totals.dropped);
}

absl::Status Egress::check_inside(pid_t pid) const {
  if (directory_.empty()) return absl::OkStatus();
  const std::vector<pid_t> inside = cgroup_processes({directory_});
  if (std::ranges::count(inside, pid) > 0) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "egress guard: the container was not started in cgroup {}, where it would be guarded: it is ended", directory_));
}

std::vector<egress::Attempt> Egress::attempts() const {
  return guard_->attempts(kMostDestinations);
}

std::string Egress::refused_text() const {
  std::string text;
  std::size_t named = 0;
  for (const egress::Attempt& attempt : attempts()) {
    if (attempt.action != "denied" || ++named > kNamedInErrors) continue;
    text += fmt::format("{}{} ({} times)", text.empty() ? "; it was refused " : ", ", attempt.destination,
                        attempt.attempts);
  }
  return text.empty() ? text : text + " (docs/egress.md tells how to allow it)";
}

}  // namespace gnomon::shadow
