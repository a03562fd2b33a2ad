// What Gnomon uses of the node: the probe's programs, and what shadows are made of.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/doctor/examine.h"

namespace gnomon::doctor {
namespace {

constexpr char kNewerKernel[] =
    "boot a kernel on which it loads, such as Debian 12's: docs/kernel-support.md says which do";
const std::vector<std::string> kToLoad = {"CAP_BPF", "CAP_PERFMON"};
// What the kernel itself lacks of a program's needs (Linux 6.1: bpf_dynptr_from_skb) is looked for in its modules.
constexpr char kToListModules[] = "CAP_SYS_ADMIN";

bool may_load(const Facts& facts) {
  return std::ranges::all_of(kToLoad, [&](const std::string& name) { return has_capability(facts, name); });
}

// A check of programs of which the first that loads is used. `first`: what is used if that is the first of all.
Check examine_choice(const Facts& facts, const std::vector<probe::Attempt>& attempts, Check check) {
  const probe::Attempt* chosen = probe::first_that_loads(attempts);
  std::vector<std::string> refused;
  for (const probe::Attempt& attempt : attempts)
    if (&attempt != chosen && !attempt.loads)
      refused.push_back(fmt::format("{} does not load ({})", attempt.hook, error_name(attempt.error)));
  if (chosen == nullptr && may_load(facts) && !has_capability(facts, kToListModules)) {
    check.state = State::kUnknown;
    check.seen = fmt::format("{}; on this kernel maybe for want of {}", fmt::join(refused, "; "), kToListModules);
    check.remedy = grant(facts, {kToListModules});
    return check;
  }
  if (chosen == nullptr) {
    check.state = may_load(facts) ? State::kMissing : State::kUnknown;
    check.seen = may_load(facts) ? fmt::format("{}", fmt::join(refused, "; "))
                                 : fmt::format("not checked: needs {}", fmt::join(kToLoad, " and "));
    if (may_load(facts) && check.required) check.uses = "nothing: no session runs without it";
    check.remedy = may_load(facts) ? kNewerKernel : grant(facts, kToLoad);
    return check;
  }
  check.seen = chosen->hook + " loads";
  if (chosen == &attempts.front()) {
    check.remedy.clear();
    return check;
  }
  check.seen += "; " + fmt::format("{}", fmt::join(refused, "; "));
  check.state = State::kDegraded;
  check.remedy = fmt::format("boot a kernel on which {} loads: docs/kernel-support.md says where that was seen",
                             attempts.front().hook);
  return check;
}

Check examine_tap(const Facts& facts) {
  std::vector<probe::Attempt> attempts;
  std::string uses = "copies what a service reads on sampled connections";
  if (facts.probe) {
    for (const auto& tap : facts.probe->tap) attempts.push_back(tap.attempt);
    if (const auto design = facts.probe->design())
      uses = fmt::format("design {}: {}", probe::design_name(*design), uses);
  }
  return examine_choice(facts, attempts, {.id = "tap", .area = "probe", .required = true, .seen = "", .uses = uses});
}

std::vector<probe::Attempt> attempts_of(const Facts& facts, std::vector<probe::Attempt> probe::Capabilities::*purpose) {
  return facts.probe ? *facts.probe.*purpose : std::vector<probe::Attempt>{};
}

// The probe does without these.
// A purpose that the probe does without: then it is as `without` says.
Check examine_optional(const Facts& facts, std::vector<probe::Attempt> probe::Capabilities::*purpose, Check check,
                       const char* without) {
  check = examine_choice(facts, attempts_of(facts, purpose), std::move(check));
  if (check.state != State::kMissing) return check;
  check.state = State::kDegraded;
  check.uses = without;
  return check;
}

Check examine_program_types(const Facts& facts) {
  std::vector<std::string> load, refused;
  for (const auto& [name, trial] : facts.program_types)
    if (trial.works())
      load.push_back(name);
    else
      refused.push_back(fmt::format("{} ({})", name, error_name(trial.error)));
  Check check{.id = "program_types",
              .area = "probe",
              .seen = fmt::format("load: {}", fmt::join(load, ", ")),
              .uses = "by what loads above; those not named there are not needed"};
  if (!refused.empty()) check.seen += fmt::format("; do not load: {}", fmt::join(refused, ", "));
  if (load.empty()) {
    check.seen = may_load(facts) ? fmt::format("none loads: {}", fmt::join(refused, ", "))
                                 : fmt::format("not checked: needs {}", fmt::join(kToLoad, " and "));
    check.state = may_load(facts) ? State::kMissing : State::kUnknown;
    check.uses.clear();
    check.remedy = may_load(facts)
                       ? "the kernel refuses every BPF program though the rights are there: look for a seccomp filter, "
                         "lockdown or a security module's denial in dmesg"
                       : grant(facts, kToLoad);
  }
  return check;
}

Check examine_runc(const Facts& facts) {
  Check check{.id = "runc", .area = "shadow", .required = true, .seen = facts.runc, .uses = "starts shadows"};
  if (!facts.crun.empty() && facts.crun_starts.works()) {
    check.seen = facts.crun;
    check.uses = "starts shadows, in less time than runc";
    return check;
  }
  const std::string crun =
      facts.crun.empty() ? "" : fmt::format("; crun is, and cannot start one here: {}", facts.crun_starts.detail);
  if (facts.runc.empty()) {
    check.state = State::kMissing;
    check.seen = "not installed" + crun;
    check.uses = "nothing: no session runs without it";
    check.remedy = "apt install runc";
  }
  return check;
}

Check examine_init(const Facts& facts) {
  Check check{.id = "shadow_init",
              .area = "shadow",
              .required = true,
              .seen = facts.shadow_init,
              .uses = "first process of a shadow"};
  if (!facts.shadow_init_there) {
    check.state = State::kMissing;
    check.seen = facts.shadow_init + " is not there";
    check.remedy = "install gnomon-shadow-init beside this program";
  }
  return check;
}

Check examine_cgroups(const Facts& facts) {
  const auto& all = facts.cgroups;
  const auto v2 = static_cast<std::size_t>(std::ranges::count_if(all, &Hierarchy::v2));
  Check check{.id = "cgroup",
              .area = "shadow",
              .required = true,
              .seen = fmt::format("{} at /sys/fs/cgroup, writable", v2 == all.size() ? "v2"
                                                                    : v2 == 0        ? "v1"
                                                                                     : "v1 and v2 (hybrid)"),
              .uses = "one cgroup for all shadows, with the node's budget"};
  if (all.empty()) {
    check.state = State::kMissing;
    check.seen = "no hierarchy is mounted at /sys/fs/cgroup";
    check.uses = "nothing: no session runs without it";
    check.remedy = "mount -t cgroup2 cgroup2 /sys/fs/cgroup; in a container mount the host's";
    return check;
  }
  const auto shut = std::ranges::find_if(all, [](const Hierarchy& one) { return !one.make.works(); });
  if (shut == all.end()) return check;
  check.remedy = fmt::format(
      "mount -o remount,rw {}; in a container: docker run --privileged --cgroupns=host -v "
      "/sys/fs/cgroup:/sys/fs/cgroup",
      shut->mount);
  const std::string remedy = check.remedy;
  check = judge(facts, shut->make, {"CAP_DAC_OVERRIDE"}, std::move(check));
  if (check.state != State::kUnknown) check.remedy = facts.root ? remedy : grant(facts, {});
  check.seen = fmt::format("no cgroup can be made in {}: {}", shut->mount, check.seen);
  return check;
}

Check examine_limits_of(const Facts& facts, const char* name, bool Hierarchy::*controller) {
  const auto found = std::ranges::find_if(facts.cgroups, controller);
  Check check{
      .id = std::string("cgroup_") + name, .area = "shadow", .required = true, .seen = "", .uses = "bounds shadows"};
  if (found != facts.cgroups.end()) {
    check.seen = fmt::format("{} of {} at {}", name, found->v2 ? "v2" : "v1", found->mount);
    return check;
  }
  check.state = State::kMissing;
  check.seen = fmt::format("no hierarchy has the controller {}", name);
  check.uses = "nothing: shadows would not be bounded";
  check.remedy = fmt::format(
      "echo +{} > /sys/fs/cgroup/cgroup.subtree_control, in the topmost cgroup that this process sees; "
      "boot with cgroup_enable={} if /proc/cgroups says it is disabled",
      name, name);
  return check;
}

Check examine_namespaces(const Facts& facts) {
  std::vector<std::string> names;
  Trial worst;
  for (const auto& [name, trial] : facts.namespaces) {
    if (trial.works())
      names.push_back(name);
    else if (worst.works())
      worst = {trial.error, name};
  }
  return judge(
      facts, worst, {"CAP_SYS_ADMIN"},
      {.id = "namespaces",
       .area = "shadow",
       .required = true,
       .seen = fmt::format("{}", fmt::join(names, ", ")),
       .uses = "isolate shadows",
       .remedy = "raise /proc/sys/user/max_*_namespaces if they are exhausted (ENOSPC); else boot a kernel with "
                 "CONFIG_NAMESPACES and all of its kinds"});
}

Check examine_netem(const Facts& facts) {
  Check check = judge(facts, facts.netem, {"CAP_SYS_ADMIN", "CAP_NET_ADMIN"},
                      {.id = "netem",
                       .area = "shadow",
                       .seen = "the qdisc can be had",
                       .uses = "reordering of packets, which cannot be injected without it; all other noise can",
                       .remedy = "modprobe sch_netem (CONFIG_NET_SCH_NETEM), if packets are to be reordered"});
  return check;
}

Check examine_images(const Facts& facts) {
  Check check{.id = "images", .area = "shadow", .seen = facts.umoci, .uses = "unpacks what shadow.image names"};
  if (facts.umoci.empty()) {
    check.state = State::kDegraded;
    check.seen = "umoci is not installed";
    check.uses = "no session runs whose descriptor has shadow.image; all others do";
    check.remedy = "apt-get install umoci, if images are to be started";
  }
  return check;
}

}  // namespace

std::vector<Check> examine_probe(const Facts& facts) {
  const auto choice = [&](std::vector<probe::Attempt> probe::Capabilities::*purpose, Check check) {
    check.area = "probe";
    check.required = true;
    return examine_choice(facts, attempts_of(facts, purpose), std::move(check));
  };
  using probe::Capabilities;
  std::vector<Check> checks = {
      examine_tap(facts),
      choice(&Capabilities::begin,
             {.id = "connections", .area = "", .seen = "", .uses = "begin and end of connections"}),
      choice(&Capabilities::arrival,
             {.id = "arrival", .area = "", .seen = "", .uses = "when a request is there to be read"}),
      choice(&Capabilities::send, {.id = "responses",
                                   .area = "",
                                   .seen = "",
                                   .uses = "when a response begins, and its HTTP status where the hook shows it"})};
  checks.push_back(examine_optional(
      facts, &Capabilities::cause,
      {.id = "causes", .area = "probe", .seen = "", .uses = "why bytes were not captured: splice, sendfile, MSG_TRUNC"},
      "what is not captured is counted without its cause"));
  checks.push_back(examine_optional(
      facts, &Capabilities::packets,
      {.id = "spliced", .area = "probe", .seen = "", .uses = "captures services that splice, from their packets"},
      "what a service splices is counted, and not captured"));
  checks.push_back(examine_optional(facts, &Capabilities::responses,
                                    {.id = "compared",
                                     .area = "probe",
                                     .seen = "",
                                     .uses = "copies responses where they are compared with the shadow's"},
                                    "responses are not compared but under TLS"));
  checks.push_back(examine_optional(
      facts, &Capabilities::leaving,
      {.id = "from_files", .area = "probe", .seen = "", .uses = "copies those that are sent from files, as they leave"},
      "responses that are sent from files are counted, and not compared"));
  checks.push_back(judge(facts, facts.ring, kToLoad,
                         {.id = "ring_buffer",
                          .area = "probe",
                          .required = true,
                          .seen = "16Mi can be had",
                          .uses = "carries what was captured",
                          .remedy = kNewerKernel}));
  checks.push_back(
      judge(facts, facts.uprobe, {"CAP_SYS_ADMIN"},
            {.id = "uprobes",
             .area = "probe",
             .seen = "a probe on this program can be had",
             .uses = "reads what TLS libraries decrypt; without it a service that ends TLS itself is not captured",
             .remedy = "boot a kernel built with CONFIG_UPROBE_EVENTS=y"}));
  checks.push_back(examine_program_types(facts));
  return checks;
}

std::vector<Check> examine_shadow(const Facts& facts) {
  const auto trial = [&](const Trial& which, std::vector<std::string> needs, Check check) {
    check.area = "shadow";
    check.required = true;
    return judge(facts, which, needs, std::move(check));
  };
  std::vector<Check> checks = {examine_runc(facts),
                               examine_init(facts),
                               examine_cgroups(facts),
                               examine_limits_of(facts, "cpu", &Hierarchy::cpu),
                               examine_limits_of(facts, "memory", &Hierarchy::memory),
                               examine_namespaces(facts)};
  checks.push_back(
      trial(facts.overlay, {"CAP_SYS_ADMIN"},
            {.id = "overlayfs",
             .area = "",
             .seen = "mounted over this root, with what is written in memory",
             .uses = "the shadow's files over production's",
             .remedy = "modprobe overlay (CONFIG_OVERLAY_FS); a root that is an overlay over an overlay cannot be "
                       "stacked once more: run gnomon on the host"}));
  checks.push_back(trial(facts.mount_copies, {"CAP_SYS_ADMIN"},
                         {.id = "open_tree",
                          .area = "",
                          .seen = "a mount can be copied",
                          .uses = "reaches the files of services in containers",
                          .remedy = "boot Linux 5.2 or later"}));
  checks.push_back(trial(facts.veth, {"CAP_SYS_ADMIN", "CAP_NET_ADMIN"},
                         {.id = "veth",
                          .area = "",
                          .seen = "a pair can be made",
                          .uses = "the one link of a shadow's network",
                          .remedy = "modprobe veth (CONFIG_VETH)"}));
  checks.push_back(trial(facts.pidfd_getfd, {"CAP_SYS_PTRACE"},
                         {.id = "pidfd_getfd",
                          .area = "",
                          .seen = "a descriptor of another process can be copied",
                          .uses = "reaches the service's sockets to mark them",
                          .remedy = "boot Linux 5.6 or later"}));
  checks.push_back(trial(facts.state_directory, {"CAP_DAC_OVERRIDE"},
                         {.id = "state_directory",
                          .area = "",
                          .seen = facts.state_directory.detail,
                          .uses = "what an agent leaves for the next one to clean up: a few hundred bytes",
                          .remedy = "mount -o remount,rw /run"}));
  checks.push_back(judge(facts, facts.seccomp, {},
                         {.id = "seccomp",
                          .area = "shadow",
                          .seen = "filters can be had",
                          .uses = "nothing: shadows are confined by namespaces and capabilities",
                          .remedy = "none is needed"}));
  checks.push_back(examine_netem(facts));
  checks.push_back(examine_images(facts));
  return checks;
}

}  // namespace gnomon::doctor
