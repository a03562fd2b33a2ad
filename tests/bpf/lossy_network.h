#pragma once
// A link between a service and its clients that loses one packet in twenty, each way.

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/bpf/loopback.h"

namespace gnomon {

// A veth pair between two network namespaces. While it lives, the thread that made it, and the threads which that
// starts, are in the clients'; listener() is in the service's. Nothing of it is left afterwards.
class LossyNetwork {
 public:
  LossyNetwork() : before_(here()), service_(enter_new()), client_(enter_new()) {
    if (!service_.valid() || !client_.valid()) {
      problem_ = "no network namespace can be made";
      return;
    }
    const std::string service = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(service_.get());
    // Without segmentation offload: what is lost is a packet, not dozens at once.
    if (!run("ip link add loss0 type veth peer name loss0 netns " + service) || !bring_up(kClient)) {
      problem_ = "no veth pair can be made";
      return;
    }
    in_service([this] {
      if (!bring_up(kService)) problem_ = "the service's end cannot be set up";
    });
  }
  ~LossyNetwork() { enter(before_); }
  LossyNetwork(const LossyNetwork&) = delete;
  LossyNetwork& operator=(const LossyNetwork&) = delete;

  // Why nothing is lost; empty if all is well.
  const std::string& problem() const { return problem_; }

  // A socket of the service that clients can reach, for loopback::Service.
  UniqueFd listener() const {
    UniqueFd fd;
    in_service([&fd] { fd = loopback::bound_socket(::inet_addr(kService)); });
    return fd;
  }

  // Packets that clients have sent again so far.
  std::uint64_t retransmitted() const {
    std::ifstream file("/proc/thread-self/net/snmp");
    std::vector<std::string> names;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("Tcp:")) continue;
      std::istringstream words(line);
      const std::vector<std::string> row{std::istream_iterator<std::string>(words), {}};
      const auto at = std::ranges::find(names, "RetransSegs");
      if (at != names.end()) return std::stoull(row.at(static_cast<std::size_t>(at - names.begin())));
      names = row;
    }
    return 0;
  }

 private:
  static constexpr char kClient[] = "10.77.0.1", kService[] = "10.77.0.2";

  static UniqueFd here() { return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }
  static UniqueFd enter_new() { return ::unshare(CLONE_NEWNET) == 0 ? here() : UniqueFd(); }
  static void enter(const UniqueFd& space) {
    if (::setns(space.get(), CLONE_NEWNET) != 0) loopback::fail("setns");
  }
  static bool run(const std::string& command) {
    return std::system(("export PATH=$PATH:/usr/sbin:/sbin; " + command).c_str()) == 0;  // NOLINT
  }
  template <class Work>
  void in_service(Work work) const {
    enter(service_);
    work();
    enter(client_);
  }

  // The end of the link in this namespace.
  bool bring_up(const std::string& address) {
    if (!run("ip address add " + address + "/30 dev loss0 && ip link set loss0 gso_max_segs 1 up")) return false;
    if (!run("tc qdisc add dev loss0 root netem loss 5% 2>/dev/null")) lose_one_in_twenty();
    return true;
  }

  // Where there is no netem. On ingress: a loss on egress would be told to the sender at once.
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
    hook.ifindex = static_cast<int>(::if_nametoindex("loss0"));
    hook.attach_point = BPF_TC_INGRESS;
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.prog_fd = loaded.get();
    if (loaded.get() < 0 || ::bpf_tc_hook_create(&hook) != 0 || ::bpf_tc_attach(&hook, &options) != 0)
      problem_ =
          "neither netem nor a program can be attached to an interface (CONFIG_NET_SCH_NETEM, CONFIG_NET_CLS_BPF)";
  }

  UniqueFd before_, service_, client_;
  std::string problem_;
};

}  // namespace gnomon
