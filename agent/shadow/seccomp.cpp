#include "agent/shadow/seccomp.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace gnomon::shadow {
namespace {

using nlohmann::json;

using Names = std::vector<std::string>;

json refusal(const Names& names, int error = EPERM) {
  return {{"names", names}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", error}};
}

// Where one argument decides (for a masked comparison `value` is the mask): of several entries with the same names any
// one is enough.
json refusal_if(const Names& names, int argument, const char* operation, std::uint64_t value,
                std::uint64_t expected = 0) {
  json rule = refusal(names);
  rule["args"] = json::array({{{"index", argument}, {"value", value}, {"valueTwo", expected}, {"op", operation}}});
  return rule;
}

const Names& always_refused() {
  static const Names kNames = {
      // Mounts: the shadow's masks and read-only paths are made of them.
      "mount", "umount", "umount2", "pivot_root", "open_tree", "open_tree_attr", "move_mount", "fsopen", "fsconfig",
      "fsmount", "fspick", "mount_setattr",
      // Other namespaces, and other processes: its own init among them, which holds the lease.
      "setns", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp",
      // Files by handle lead past every mount.
      "open_by_handle_at",
      // Keyrings are kept for a user, and the shadow's user is production's.
      "add_key", "request_key", "keyctl",
      // The kernel itself.
      "bpf", "perf_event_open", "lookup_dcookie", "userfaultfd", "syslog", "init_module", "finit_module",
      "delete_module", "create_module", "query_module", "get_kernel_syms", "kexec_load", "kexec_file_load", "reboot",
      "iopl", "ioperm", "vm86", "vm86old", "uselib", "_sysctl", "sysfs", "ustat", "nfsservctl",
      // The node: its clock, swap, accounting, quotas, terminals. Reading the clock's discipline (adjtimex) is left to
      // those who ask; setting it takes a capability that no shadow has.
      "clock_settime", "settimeofday", "stime", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "vhangup"};
  return kNames;
}

// Sockets of families that no network namespace holds, or that see packets.
constexpr std::array kRefusedFamilies = {AF_PACKET, AF_BLUETOOTH, AF_VSOCK, 42 /* AF_QIPCRTR */, AF_XDP};

constexpr std::array<std::uint64_t, 8> kNamespaces = {
    CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
    CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET, 0x80 /* CLONE_NEWTIME: of unshare only */};

// Calls of the other ABIs of a processor are filtered alike: else they would be the way around.
Names architectures() {
#if defined(__x86_64__)
  return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#else
#error "say which ABIs this processor has"
#endif
}

}  // namespace

json seccomp_json() {
  json rules = json::array({refusal(always_refused())});
  for (const std::uint64_t kind : kNamespaces) {
    rules.push_back(refusal_if({"unshare"}, 0, "SCMP_CMP_MASKED_EQ", kind, kind));
    if (kind != 0x80) rules.push_back(refusal_if({"clone"}, 0, "SCMP_CMP_MASKED_EQ", kind, kind));
  }
  // Its flags are in memory, where no filter looks: C libraries then take clone.
  rules.push_back(refusal({"clone3"}, ENOSYS));
  for (const int family : kRefusedFamilies)
    rules.push_back(refusal_if({"socket", "socketpair"}, 0, "SCMP_CMP_EQ", static_cast<std::uint64_t>(family)));
  for (const std::uint64_t device : {S_IFCHR, S_IFBLK}) {
    rules.push_back(refusal_if({"mknod"}, 1, "SCMP_CMP_MASKED_EQ", S_IFMT, device));
    rules.push_back(refusal_if({"mknodat"}, 2, "SCMP_CMP_MASKED_EQ", S_IFMT, device));
  }
  // Asking for the execution domain is harmless, and all that allocators and runtimes do.
  rules.push_back(refusal_if({"personality"}, 0, "SCMP_CMP_NE", 0xffffffff));
  return {{"defaultAction", "SCMP_ACT_ALLOW"}, {"architectures", architectures()}, {"syscalls", rules}};
}

}  // namespace gnomon::shadow
