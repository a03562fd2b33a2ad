#include "agent/doctor/gather.h"

#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/probe/probe.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/oci_runtime.h"
#include "agent/shadow/unpacked_image.h"
#include "fmt/format.h"

namespace gnomon::doctor {
namespace {

// The first line that begins with `key`, without it and the blanks behind; empty if there is none.
std::string value_of(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(" \t", key.size());
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

std::uint64_t number_of(const std::string& path, const std::string& key, int base) {
  return std::strtoull(value_of(path, key).c_str(), nullptr, base);
}

// "none [integrity] confidentiality"
std::string bracketed(const std::string& line) {
  const std::size_t open = line.find('['), close = line.find(']');
  return open == std::string::npos || close == std::string::npos ? "" : line.substr(open + 1, close - open - 1);
}

Trial try_btf() {
  return {::access("/sys/kernel/btf/vmlinux", R_OK) == 0 ? 0 : errno, "/sys/kernel/btf/vmlinux"};
}

Trial try_seccomp() {
  std::uint32_t action = SECCOMP_RET_ERRNO;
  return {::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? 0 : errno, ""};
}

// Makes a directory beside where the state will be, and removes it.
Trial try_state_directory(const std::string& state_root) {
  const std::string parent = std::filesystem::path(state_root).parent_path().string();
  const std::string own = parent + "/gnomon-doctor-" + std::to_string(::getpid());
  if (::mkdir(own.c_str(), 0700) != 0) return {errno, parent};
  ::rmdir(own.c_str());
  return {0, state_root + " can be made"};
}

void look_at_process(Facts* facts) {
  facts->root = ::geteuid() == 0;
  facts->capabilities = number_of("/proc/self/status", "CapEff:", 16);
  facts->filtered = number_of("/proc/self/status", "Seccomp:", 10) == SECCOMP_MODE_FILTER;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts->open_files = limit.rlim_max;
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    facts->locked_memory = Bytes{limit.rlim_cur};
}

void look_at_kernel(Facts* facts) {
  utsname kernel{};
  ::uname(&kernel);
  facts->kernel = kernel.release;
  facts->machine = kernel.machine;
  facts->btf = try_btf();
  facts->lockdown = bracketed(value_of("/sys/kernel/security/lockdown", ""));
  facts->program_types = try_program_types();
  if (auto found = probe::find_capabilities(); found.ok()) facts->probe = *std::move(found);
  facts->ring = try_ring(probe::Options{}.ring);
  facts->uprobe = try_uprobe();
}

Trial try_crun(const Facts& facts) {
  const std::string name = fmt::format("gnomon-trial-{}", ::getpid());
  const absl::Status started = shadow::try_oci_runtime(facts.crun, facts.shadow_init, "/run/" + name, "/" + name);
  return started.ok() ? Trial{} : Trial{EPERM, std::string(started.message())};
}

void look_at_shadows(const std::string& state_root, Facts* facts) {
  facts->cgroups = try_cgroups(shadow::kCgroupRoot);
  facts->namespaces = try_namespaces();
  facts->overlay = try_overlay();
  facts->mount_copies = try_mount_copy();
  facts->veth = try_veth();
  facts->netem = try_netem();
  facts->pidfd_getfd = try_pidfd_getfd();
  facts->seccomp = try_seccomp();
  facts->runc = shadow::find_runc().value_or("");
  facts->crun = shadow::find_crun();
  facts->umoci = shadow::find_umoci().value_or("");
  std::error_code error;
  facts->shadow_init =
      (std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / "gnomon-shadow-init").string();
  facts->shadow_init_there = ::access(facts->shadow_init.c_str(), X_OK) == 0;
  if (!facts->crun.empty()) facts->crun_starts = try_crun(*facts);
  facts->state_directory = try_state_directory(state_root);
}

}  // namespace

Facts gather(const std::string& state_root) {
  Facts facts;
  look_at_process(&facts);
  look_at_kernel(&facts);
  look_at_shadows(state_root, &facts);
  facts.memory.value = number_of("/proc/meminfo", "MemTotal:", 10) << 10;
  facts.memory_available.value = number_of("/proc/meminfo", "MemAvailable:", 10) << 10;
  facts.clock_source = value_of("/sys/devices/system/clocksource/clocksource0/current_clocksource", "");
  return facts;
}

}  // namespace gnomon::doctor
