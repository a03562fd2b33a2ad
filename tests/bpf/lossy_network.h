#pragma once
// A network namespace whose loopback loses packets.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <string>

#include "tests/bpf/loopback.h"

namespace gnomon {

// While it lives, the thread that made it, and the threads which that starts, are in the namespace; nothing of it is
// left afterwards.
class LossyNetwork {
 public:
  LossyNetwork() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (::unshare(CLONE_NEWNET) != 0) {
      problem_ = "no network namespace can be made";
      return;
    }
    const UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq up{};
    std::string("lo").copy(up.ifr_name, sizeof(up.ifr_name) - 1);
    up.ifr_flags = IFF_UP;
    if (::ioctl(any.get(), SIOCSIFFLAGS, &up) != 0) loopback::fail("lo up");
    lose_one_in_twenty();
  }
  ~LossyNetwork() { ::setns(before_.get(), CLONE_NEWNET); }
  LossyNetwork(const LossyNetwork&) = delete;
  LossyNetwork& operator=(const LossyNetwork&) = delete;

  // Why nothing is lost; empty if all is well.
  const std::string& problem() const { return problem_; }

 private:
  // On ingress: a loss on egress would be told to the sender at once.
  void lose_one_in_twenty() {
    const bpf_insn program[] = {
        {.code = BPF_JMP | BPF_CALL, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_get_prandom_u32},
        {.code = BPF_JMP32 | BPF_JLT | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 2, .imm = 0x7fffffff / 10},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},  // TC_ACT_OK
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 2},  // TC_ACT_SHOT
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    };
    const UniqueFd loaded(
        ::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "lose", "GPL", program, std::size(program), nullptr));
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = static_cast<int>(::if_nametoindex("lo"));
    hook.attach_point = BPF_TC_INGRESS;
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.prog_fd = loaded.get();
    if (loaded.get() < 0 || ::bpf_tc_hook_create(&hook) != 0 || ::bpf_tc_attach(&hook, &options) != 0)
      problem_ = "no program can be attached to an interface (needs CONFIG_NET_CLS_BPF)";
  }

  UniqueFd before_;
  std::string problem_;
};

}  // namespace gnomon
