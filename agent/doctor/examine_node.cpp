// What the node is and what this process may do on it: kernel, rights and limits.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/doctor/examine.h"

namespace gnomon::doctor {
namespace {

struct Right {
  const char* name;
  int bit;
  bool by_sys_admin;  // CAP_SYS_ADMIN includes it
  bool required;
  const char* use;
};

constexpr std::array kRights = {
    Right{"CAP_SYS_ADMIN", CAP_SYS_ADMIN, false, true, "namespaces, mounts and cgroups of shadows"},
    Right{"CAP_BPF", CAP_BPF, true, true, "loading the probe"},
    Right{"CAP_PERFMON", CAP_PERFMON, true, true, "reading kernel memory in the probe"},
    Right{"CAP_NET_ADMIN", CAP_NET_ADMIN, false, true, "the shadow's network"},
    Right{"CAP_SYS_PTRACE", CAP_SYS_PTRACE, false, true, "the service's sockets, environment and files"},
    Right{"CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE, false, true, "files of the service's user"},
    Right{"CAP_SETUID", CAP_SETUID, false, true, "running the shadow as the service's user"},
    Right{"CAP_SETGID", CAP_SETGID, false, true, "running the shadow as the service's group"},
    Right{"CAP_KILL", CAP_KILL, false, true, "ending the shadow"},
    Right{"CAP_SYS_CHROOT", CAP_SYS_CHROOT, false, true, "the shadow's root"},
    Right{"CAP_SYS_RESOURCE", CAP_SYS_RESOURCE, false, false,
          "giving the shadow the service's limits if they are higher"},
};

bool holds(const Facts& facts, int bit) {
  return (facts.capabilities >> bit & 1) != 0;
}

Check examine_btf(const Facts& facts) {
  return judge(facts, facts.btf, {},
               {.id = "btf",
                .area = "kernel",
                .required = true,
                .seen = "/sys/kernel/btf/vmlinux",
                .uses = "finds the kernel's fields by name",
                .remedy = "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's, Ubuntu's and Fedora's are): "
                          "apt install linux-image-amd64; in a container mount the host's /sys"});
}

Check examine_lockdown(const Facts& facts) {
  Check check{.id = "lockdown", .area = "kernel", .seen = facts.lockdown.empty() ? "none" : facts.lockdown};
  if (facts.lockdown == "confidentiality") {
    check.state = State::kMissing;
    check.required = true;
    check.uses = "nothing: BPF may not read kernel memory";
    check.remedy = "boot with lockdown=integrity, or without lockdown= on the kernel's command line";
  }
  return check;
}

Check examine_filter(const Facts& facts) {
  Check check{.id = "own_seccomp", .area = "rights", .seen = "no system call of this process is filtered"};
  if (facts.filtered) {
    check.state = State::kDegraded;
    check.seen = "system calls of this process are filtered, as in a container: what is refused below may be by that";
    check.remedy =
        "if something is refused below: docker run --security-opt seccomp=unconfined; Kubernetes: "
        "securityContext.seccompProfile.type: Unconfined";
  }
  return check;
}

Check examine_files(const Facts& facts) {
  constexpr std::uint64_t kEnough = 8192;  // of a session: 4,096 requests in flight, and what the agent needs itself
  Check check{.id = "open_files",
              .area = "limits",
              .seen = fmt::format("at most {} open files", facts.open_files),
              .uses = "a socket for each replayed connection"};
  if (facts.open_files < kEnough) {
    check.state = State::kDegraded;
    check.uses += "; above that, copies are not sent and counted as errors of the replay";
    check.remedy = fmt::format("ulimit -Hn {}; systemd: LimitNOFILE={}", kEnough, kEnough);
  }
  return check;
}

Check examine_memory(const Facts& facts) {
  const Bytes budget{facts.memory.value / 4};
  Check check{
      .id = "memory",
      .area = "limits",
      .seen = fmt::format("{} of {} available", format_bytes(facts.memory_available), format_bytes(facts.memory)),
      .uses = fmt::format("at most {} for all shadows, unless told; what they write to files is in there, nothing is "
                          "written to disk",
                          format_bytes(budget))};
  if (facts.memory_available.value < budget.value) {
    check.state = State::kDegraded;
    check.remedy = fmt::format("leave production its memory: gnomon-agent --budget-memory {}Mi",
                               std::max<std::uint64_t>(1, facts.memory_available.value / 2 >> 20));
  }
  return check;
}

Check examine_locked_memory(const Facts& facts) {
  Check check{.id = "locked_memory",
              .area = "limits",
              .seen = facts.locked_memory ? format_bytes(*facts.locked_memory) : "unlimited",
              .uses = "counts BPF maps before Linux 5.11 only"};
  // The ring of the agent's size could not be made, and no right is missing for it.
  if (facts.locked_memory && !facts.ring.works() && has_capability(facts, "CAP_BPF")) {
    check.state = State::kMissing;
    check.required = true;
    check.remedy = "ulimit -l unlimited; systemd: LimitMEMLOCK=infinity; docker run --ulimit memlock=-1";
  }
  return check;
}

Check examine_clock(const Facts& facts) {
  static constexpr std::array kSlow = {"hpet", "acpi_pm", "jiffies", "refined-jiffies"};
  Check check{.id = "clock",
              .area = "limits",
              .seen = facts.clock_source.empty() ? "clock source unknown" : "clock source " + facts.clock_source,
              .uses = "CLOCK_MONOTONIC, here and in the probe"};
  if (facts.clock_source.empty()) check.state = State::kUnknown;
  if (std::ranges::find(kSlow, facts.clock_source) != kSlow.end()) {
    check.state = State::kDegraded;
    check.uses += "; each reading of this one is slow, production's own as well";
    check.remedy =
        "/sys/devices/system/clocksource/clocksource0/available_clocksource lists others; boot with clocksource=tsc "
        "if tsc is among them";
  }
  return check;
}

}  // namespace

bool has_capability(const Facts& facts, std::string_view name) {
  const auto right = std::ranges::find(kRights, name, [](const Right& entry) { return std::string_view(entry.name); });
  if (right == kRights.end()) return false;
  return holds(facts, right->bit) || (right->by_sys_admin && holds(facts, CAP_SYS_ADMIN));
}

std::string grant(const Facts& facts, const std::vector<std::string>& names) {
  if (!facts.root) return "run it as root: sudo gnomon doctor";
  std::vector<std::string> bare;
  for (const std::string& name : names) bare.push_back(name.substr(std::strlen("CAP_")));
  return fmt::format(
      "grant {}: docker run --cap-add={}; Kubernetes: securityContext.capabilities.add: [{}]; systemd: add to "
      "CapabilityBoundingSet=",
      fmt::join(names, ", "), fmt::join(bare, " --cap-add="), fmt::join(bare, ", "));
}

std::string error_name(int error) {
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : fmt::format("error {}", error);
}

std::string outcome(const Trial& trial) {
  if (trial.works()) return trial.detail.empty() ? "works" : trial.detail;
  const char* words = ::strerrordesc_np(trial.error);
  const std::string error =
      words != nullptr ? fmt::format("{} ({})", words, error_name(trial.error)) : error_name(trial.error);
  return trial.detail.empty() ? error : error + ": " + trial.detail;
}

Check judge(const Facts& facts, const Trial& trial, const std::vector<std::string>& needs, Check check) {
  if (trial.works()) {
    check.remedy.clear();
    return check;
  }
  const bool refused = trial.error == EPERM || trial.error == EACCES;
  std::vector<std::string> lacking;
  for (const std::string& name : needs)
    if (!has_capability(facts, name)) lacking.push_back(name);
  check.seen = outcome(trial);
  check.uses = check.required ? "nothing: no session runs without it" : check.uses;
  if (!refused) {
    check.state = State::kMissing;
  } else if (!lacking.empty()) {
    check.state = State::kUnknown;
    check.seen = fmt::format("not checked: needs {}", fmt::join(lacking, ", "));
    check.uses.clear();
    check.remedy = grant(facts, lacking);
  } else {
    check.state = State::kMissing;
    check.remedy = facts.filtered
                       ? "refused though the rights are there: docker run --security-opt seccomp=unconfined "
                         "--security-opt apparmor=unconfined, or run it outside of the container"
                       : "refused though the rights are there: look for a security module's denial in dmesg and "
                         "journalctl -k";
  }
  return check;
}

std::vector<Check> examine_kernel(const Facts& facts) {
  return {{.id = "kernel",
           .area = "kernel",
           .seen = fmt::format("Linux {} on {}", facts.kernel, facts.machine),
           .uses = "nothing is inferred from the version"},
          examine_btf(facts),
          examine_lockdown(facts)};
}

std::vector<Check> examine_rights(const Facts& facts) {
  Check root{.id = "root", .area = "rights", .required = true, .seen = facts.root ? "user 0" : "not root"};
  if (!facts.root) {
    root.state = State::kMissing;
    root.uses = "nothing: the agent starts as root only";
    root.remedy = grant(facts, {});
  }
  std::vector<Check> checks = {std::move(root)};
  for (const Right& right : kRights) {
    std::string id = right.name;
    std::ranges::transform(id, id.begin(),
                           [](char letter) { return letter == '_' ? '_' : static_cast<char>(letter | 0x20); });
    Check check{.id = std::move(id), .area = "rights", .required = right.required, .seen = "held", .uses = right.use};
    if (!holds(facts, right.bit)) {
      const bool implied = has_capability(facts, right.name);
      check.seen = implied ? "not held, but CAP_SYS_ADMIN is, which includes it" : "not held";
      check.state = implied ? State::kOk : right.required ? State::kMissing : State::kDegraded;
      if (!implied) check.remedy = grant(facts, {right.name});
    }
    checks.push_back(std::move(check));
  }
  checks.push_back(examine_filter(facts));
  return checks;
}

std::vector<Check> examine_limits(const Facts& facts) {
  return {examine_files(facts), examine_memory(facts), examine_locked_memory(facts), examine_clock(facts)};
}

}  // namespace gnomon::doctor
