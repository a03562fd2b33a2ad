#include "agent/shadow/bundle.h"

#include <algorithm>

#include "agent/shadow/seccomp.h"
#include "nlohmann/json.hpp"

namespace gnomon::shadow {
namespace {

using nlohmann::json;

constexpr int kCpuPeriod = 100'000;      // µs
constexpr int kLeastCpuQuota = 1000;     // µs, the kernel's
constexpr int kOutOfMemoryScore = 1000;  // when the node runs out of memory, the shadow goes first

json process_json(const Launch& launch, const std::vector<int>& inherited) {
  std::string descriptors = std::to_string(kLeaseFd);
  for (const int number : inherited) descriptors += "," + std::to_string(number);
  json args = {kInitInside, descriptors, launch.executable};
  for (const std::string& argument : launch.argv) args.push_back(argument);
  json limits = json::array();
  for (const ResourceLimit& limit : launch.limits)
    limits.push_back({{"type", limit.type}, {"soft", limit.soft}, {"hard", limit.hard}});
  json capabilities = {{"bounding", launch.bounding_capabilities},
                       {"permitted", launch.capabilities},
                       {"effective", launch.capabilities}};
  if (launch.uid != 0) {  // what is not ambient would be lost when our init starts the service
    capabilities["inheritable"] = launch.capabilities;
    capabilities["ambient"] = launch.capabilities;
  }
  return {
      {"terminal", false},
      {"user", {{"uid", launch.uid}, {"gid", launch.gid}, {"umask", launch.umask}, {"additionalGids", launch.groups}}},
      {"args", args},
      {"env", launch.environment},
      {"cwd", launch.directory},
      {"capabilities", capabilities},
      {"rlimits", limits},
      {"oomScoreAdj", kOutOfMemoryScore},
      {"noNewPrivileges", true}};
}

json mount_json(const char* destination, const char* type, std::vector<std::string> options) {
  return {{"destination", destination}, {"type", type}, {"source", type}, {"options", options}};
}

json mounts_json(const Bundle& bundle) {
  json mounts = {
      mount_json("/proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount_json("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_json("/dev/pts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}),
      mount_json("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount_json("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount_json("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
      mount_json("/sys/fs/cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}),
  };
  for (const Bind& bind : bundle.binds) {
    mounts.push_back({{"destination", bind.destination},
                      {"type", "bind"},
                      {"source", bind.source},
                      {"options", {"bind", bind.read_only ? "ro" : "rw", "nosuid", "nodev"}}});
  }
  mounts.push_back({{"destination", kInitInside},
                    {"type", "bind"},
                    {"source", bundle.init},
                    {"options", {"bind", "ro", "nosuid", "nodev"}}});
  return mounts;
}

json resources_json(const Bundle& bundle) {
  return {{"devices", json::array({{{"allow", false}, {"access", "rwm"}}})},
          {"cpu",
           {{"quota", std::max<std::int64_t>(kLeastCpuQuota, bundle.cpu.value * kCpuPeriod / 1000)},
            {"period", kCpuPeriod}}},
          {"memory", {{"limit", bundle.memory.value}}},
          {"pids", {{"limit", bundle.processes}}}};
}

}  // namespace

std::string oci_config(const Launch& launch, const Bundle& bundle) {
  std::vector<std::string> masked = {
      "/proc/acpi",       "/proc/asound",      "/proc/kcore",         "/proc/keys",          "/proc/latency_stats",
      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",   "/proc/scsi",          "/sys/firmware",
      "/sys/fs/bpf",      "/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security"};
  masked.insert(masked.end(), bundle.masked.begin(), bundle.masked.end());
  const json namespaces = {{{"type", "mount"}}, {{"type", "pid"}},    {{"type", "ipc"}},
                           {{"type", "uts"}},   {{"type", "cgroup"}}, {{"type", "network"}, {"path", bundle.netns}}};
  const json config = {
      {"ociVersion", "1.0.2"},
      {"process", process_json(launch, bundle.inherited)},
      {"root", {{"path", bundle.root}, {"readonly", false}}},
      {"hostname", bundle.hostname},
      {"mounts", mounts_json(bundle)},
      {"linux",
       {{"namespaces", namespaces},
        {"cgroupsPath", bundle.cgroup},
        {"resources", resources_json(bundle)},
        {"seccomp", seccomp_json()},
        {"maskedPaths", masked},
        {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}}}};
  // Arguments and environments are bytes; JSON is UTF-8: what is not becomes the replacement character.
  return config.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gnomon::shadow
