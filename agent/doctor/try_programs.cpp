// Programs and maps of the kernel, each loaded once and let go.

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "agent/doctor/gather.h"
#include "agent/probe/kernel_log.h"
#include "common/unique_fd.h"

namespace gnomon::doctor {
namespace {

struct BtfDeleter {
  void operator()(btf* types) const { btf__free(types); }
};
using BtfPtr = std::unique_ptr<btf, BtfDeleter>;

struct ProgramType {
  const char* name;
  bpf_prog_type type;
  bpf_attach_type attach;
  const char* target;  // in the kernel's BTF; null if it needs none
};

constexpr bpf_attach_type kNone = BPF_CGROUP_INET_INGRESS;  // zero

constexpr std::array kProgramTypes = {
    ProgramType{"tp_btf", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, "btf_trace_sched_switch"},
    ProgramType{"fentry", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, "tcp_recvmsg"},
    ProgramType{"fexit", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT, "tcp_recvmsg"},
    ProgramType{"lsm", BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_lsm_file_open"},
    ProgramType{"raw_tp", BPF_PROG_TYPE_RAW_TRACEPOINT, kNone, nullptr},
    ProgramType{"tracepoint", BPF_PROG_TYPE_TRACEPOINT, kNone, nullptr},
    ProgramType{"cgroup_skb", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, nullptr},
    ProgramType{"connect4", BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, nullptr},
    ProgramType{"sock_ops", BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, nullptr},
    ProgramType{"tc", BPF_PROG_TYPE_SCHED_CLS, kNone, nullptr},
};

// "return 1", which every type allows, but for those that may return 0 only.
int load(bpf_prog_type type, const bpf_prog_load_opts& options, int result) {
  const bpf_insn program[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = result},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  const UniqueFd loaded(bpf_prog_load(type, nullptr, "GPL", program, std::size(program), &options));
  return loaded.valid() ? 0 : errno;
}

Trial try_type(const ProgramType& which, const btf* types) {
  bpf_prog_load_opts options{};
  options.sz = sizeof options;
  options.expected_attach_type = which.attach;
  if (which.target != nullptr) {
    if (types == nullptr) return {ENOENT, "the kernel has no BTF"};
    const bool tracepoint = which.attach == BPF_TRACE_RAW_TP;
    const int id = btf__find_by_name_kind(types, which.target, tracepoint ? BTF_KIND_TYPEDEF : BTF_KIND_FUNC);
    if (id < 0) return {ENOENT, std::string("no ") + which.target};
    options.attach_btf_id = static_cast<std::uint32_t>(id);
  }
  const bool filters = which.type == BPF_PROG_TYPE_CGROUP_SKB || which.type == BPF_PROG_TYPE_CGROUP_SOCK_ADDR ||
                       which.type == BPF_PROG_TYPE_SOCK_OPS;
  return {load(which.type, options, filters ? 1 : 0), ""};
}

// The number of a kind of dynamic event ("uprobe"), which the kernel hands out at boot; 0 if it has none.
std::uint32_t event_kind(const char* name) {
  std::ifstream in(std::string("/sys/bus/event_source/devices/") + name + "/type");
  std::uint32_t kind = 0;
  in >> kind;
  return kind;
}

// Opened and closed again, never enabled.
int open_event(perf_event_attr* event, int pid) {
  event->size = sizeof *event;
  event->disabled = 1;
  const UniqueFd opened(
      static_cast<int>(::syscall(SYS_perf_event_open, event, pid, pid < 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC)));
  return opened.valid() ? 0 : errno;
}

Trial try_kprobe() {
  perf_event_attr event{};
  event.type = event_kind("kprobe");
  if (event.type == 0) return {ENOENT, "no such event"};
  static constexpr char kFunction[] = "tcp_recvmsg";
  event.kprobe_func = reinterpret_cast<std::uint64_t>(kFunction);
  return {open_event(&event, -1), ""};
}

// Where the first executable segment of this program is in its file.
std::uint64_t text_offset() {
  std::ifstream in("/proc/self/maps");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string range, rights, offset;
    if (words >> range >> rights >> offset && rights.find('x') != std::string::npos)
      return std::stoull(offset, nullptr, 16);
  }
  return 0;
}

}  // namespace

std::vector<NamedTrial> try_program_types() {
  const probe::KernelLog quiet;
  const BtfPtr types(btf__load_vmlinux_btf());
  std::vector<NamedTrial> trials;
  for (const ProgramType& which : kProgramTypes) trials.push_back({which.name, try_type(which, types.get())});
  trials.push_back({"kprobe", try_kprobe()});
  return trials;
}

Trial try_ring(Bytes size) {
  const probe::KernelLog quiet;
  const UniqueFd ring(
      bpf_map_create(BPF_MAP_TYPE_RINGBUF, nullptr, 0, 0, static_cast<std::uint32_t>(size.value), nullptr));
  return {ring.valid() ? 0 : errno, ""};
}

Trial try_uprobe() {
  perf_event_attr event{};
  event.type = event_kind("uprobe");
  if (event.type == 0) return {ENOENT, "the kernel has no such event"};
  static constexpr char kSelf[] = "/proc/self/exe";
  event.uprobe_path = reinterpret_cast<std::uint64_t>(kSelf);
  event.probe_offset = text_offset();
  return {open_event(&event, -1), ""};
}

}  // namespace gnomon::doctor
