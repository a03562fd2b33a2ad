#include "agent/egress/guard.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <tuple>

#include "agent/probe/kernel_log.h"
#include "bpf/egress.skel.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace gnomon::egress {
namespace {

constexpr std::uint32_t kPriority = 1, kHandle = 0x65;          // of the filter, where the kernel is older than 6.6
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);  // BPF_TCX_INGRESS: not in libbpf 1.1
constexpr std::uint32_t kBefore = 1u << 3;                      // BPF_F_BEFORE: of all that is there

struct SkeletonDeleter {
  void operator()(egress_bpf* skeleton) const { egress_bpf::destroy(skeleton); }
};
using SkeletonPtr = std::unique_ptr<egress_bpf, SkeletonDeleter>;

template <class Words>
void copy_address(const IpAddress& address, Words& words) {
  static_assert(sizeof(words) == sizeof(address.bytes));
  std::memcpy(&words, address.bytes.data(), sizeof words);
}

SocketAddress to_socket_address(const __u32 (&words)[4], __u16 port) {
  SocketAddress address;
  std::memcpy(address.address.bytes.data(), words, sizeof words);
  address.port = ntohs(port);
  return address;
}

egress_rule to_kernel(const EgressRule& rule, std::uint16_t tcp_port, std::uint16_t udp_port) {
  egress_rule out{};
  copy_address(rule.network, out.network);
  IpAddress mask;
  for (int bit = 0; bit < rule.prefix; ++bit)
    mask.bytes[static_cast<std::size_t>(bit / 8)] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
  copy_address(mask, out.mask);
  out.port = htons(rule.port.value_or(0));
  out.tcp_port = htons(tcp_port);
  out.udp_port = htons(udp_port);
  out.v4 = rule.network.v4() ? 1 : 0;
  out.action = rule.redirect ? EGRESS_REDIRECTED : EGRESS_ALLOWED;
  return out;
}

absl::StatusOr<egress_config> configure(const Link& link, const std::vector<EgressRule>& rules, const Ports& ports) {
  egress_config config{};
  if (rules.size() > EGRESS_RULES || link.own.size() > EGRESS_OWN)
    return absl::InvalidArgumentError(
        fmt::format("egress: {} rules and {} addresses of the shadow: at most {} and {} are possible", rules.size(),
                    link.own.size(), static_cast<int>(EGRESS_RULES), static_cast<int>(EGRESS_OWN)));
  copy_address(link.agent_v6, config.agent[0]);
  copy_address(link.agent_v4, config.agent[1]);
  config.rules = static_cast<__u16>(rules.size());
  config.own = static_cast<__u16>(link.own.size());
  for (std::size_t i = 0; i < link.own.size(); ++i) copy_address(link.own[i], config.own_address[i]);
  for (std::size_t i = 0; i < rules.size(); ++i)
    config.rule[i] =
        to_kernel(rules[i], i < ports.tcp.size() ? ports.tcp[i] : 0, i < ports.udp.size() ? ports.udp[i] : 0);
  return config;
}

const char* name_of_transport(unsigned transport) {
  constexpr std::array kNames = {"", "tcp", "udp", "icmp", "raw"};
  return transport < kNames.size() ? kNames[transport] : "";
}

const char* name_of_action(unsigned action) {
  constexpr std::array kNames = {"", "denied", "allowed", "redirected"};
  return action < kNames.size() ? kNames[action] : "";
}

std::string name_of_destination(const egress_destination& destination) {
  const SocketAddress address = to_socket_address(destination.address, destination.port);
  if (address.address == IpAddress{}) return "*";
  return address.port == 0 ? address.address.to_string() : address.to_string();
}

class KernelGuard final : public Guard {
 public:
  KernelGuard(SkeletonPtr skeleton, Link link) : skeleton_(std::move(skeleton)), link_(std::move(link)) {}

  absl::Status attach_to_link() override {
    const probe::KernelLog log;  // keeps complaints of a clsact that is there already
    const int error = attach_here();
    if (error == 0) return absl::OkStatus();
    return errno_status(error,
                        fmt::format("egress guard: attaching to {} (needs Linux 6.6, or sch_ingress and cls_bpf); "
                                    "libbpf: {}",
                                    link_.device, log.tail()));
  }

  absl::Status attach_to_cgroup(const std::string& directory) override {
    const UniqueFd cgroup(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup.valid()) return errno_status(fmt::format("egress guard: cgroup {}", directory));
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) {
      if (program == skeleton_->progs.egr_link) continue;
      // Beside what stands above it: all of them have to agree.
      const bpf_attach_type type =
          program == skeleton_->progs.egr_flow ? BPF_CGROUP_SOCK_OPS : bpf_program__expected_attach_type(program);
      if (bpf_prog_attach(bpf_program__fd(program), cgroup.get(), type, BPF_F_ALLOW_MULTI) != 0)
        return errno_status(fmt::format("egress guard: attaching {} to cgroup {} (needs CAP_NET_ADMIN and CAP_BPF)",
                                        bpf_program__section_name(program), directory));
    }
    return absl::OkStatus();
  }

  std::optional<Flow> take_flow(const SocketAddress& source) override {
    egress_source key{};
    copy_address(source.address, key.address);
    key.port = htons(source.port);
    egress_flow flow{};
    const int map = bpf_map__fd(skeleton_->maps.flows);
    if (bpf_map_lookup_elem(map, &key, &flow) != 0) return std::nullopt;
    bpf_map_delete_elem(map, &key);
    return Flow{to_socket_address(flow.address, flow.port), flow.rule};
  }

  std::vector<Attempt> attempts(std::size_t most) const override {
    std::vector<Attempt> found;
    const int map = bpf_map__fd(skeleton_->maps.attempts);
    egress_destination key{}, next{};
    std::uint64_t count = 0;
    for (void* at = nullptr; bpf_map_get_next_key(map, at, &next) == 0; at = &key) {
      key = next;
      if (bpf_map_lookup_elem(map, &key, &count) != 0) continue;
      found.push_back({name_of_destination(key), name_of_transport(key.transport), name_of_action(key.action), count});
    }
    std::ranges::sort(found, [](const Attempt& a, const Attempt& b) {
      return std::tie(b.attempts, a.destination, a.transport, a.action) <
             std::tie(a.attempts, b.destination, b.transport, b.action);
    });
    sum_up(found, most);
    return found;
  }

 private:
  // errno's value, 0 if it is attached.
  int attach_here() {
    const int program = bpf_program__fd(skeleton_->progs.egr_link);
    const auto device = static_cast<int>(::if_nametoindex(link_.device.c_str()));
    if (device == 0) return errno;
    if (bpf_prog_attach(program, device, kTcxIngress, kBefore) == 0) return 0;
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device, .attach_point = BPF_TC_INGRESS);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program, .handle = kHandle, .priority = kPriority);
    int error = bpf_tc_hook_create(&hook);
    if (error == 0 || error == -EEXIST) error = bpf_tc_attach(&hook, &options);
    return -error;
  }

  // What is beyond the first `most`, and what the kernel had no room to tell apart.
  void sum_up(std::vector<Attempt>& found, std::size_t most) const {
    std::map<std::string, std::uint64_t> rest;
    std::size_t destinations = 0;
    for (unsigned action = EGRESS_DENIED; action < EGRESS_ACTIONS; ++action)
      if (const auto more = std::atomic_ref<__u64>(skeleton_->bss->uncounted[action]).load(); more > 0)
        rest[name_of_action(action)] += more;
    for (std::size_t i = most; i < found.size(); ++i, ++destinations) rest[found[i].action] += found[i].attempts;
    if (found.size() > most) found.resize(most);
    for (const auto& [action, count] : rest) found.push_back({"further destinations", "", action, count});
  }

  const SkeletonPtr skeleton_;
  const Link link_;
};

// 0, or a negative errno value.
int load_programs(egress_bpf* skeleton, const egress_config& config, bool tell_errno) {
  std::memcpy(const_cast<egress_config*>(&skeleton->rodata->egress), &config, sizeof config);
  skeleton->rodata->can_tell_errno = tell_errno;
  return egress_bpf::load(skeleton);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Guard>> Guard::load(const Link& link, const std::vector<EgressRule>& rules,
                                                   const Ports& ports) {
  ASSIGN_OR_RETURN(const egress_config config, configure(link, rules, ports));
  std::string reason;
  // Without bpf_set_retval() a refused caller sees another error, and that is all.
  for (const bool tell_errno : {true, false}) {
    const probe::KernelLog log;
    SkeletonPtr skeleton(egress_bpf::open());
    if (!skeleton) return errno_status("egress guard: opening its programs");
    const int result = load_programs(skeleton.get(), config, tell_errno);
    if (result == 0) return std::make_unique<KernelGuard>(std::move(skeleton), link);
    reason = fmt::format("egress guard: loading its programs; nothing is started without it; errno {}; libbpf: {}",
                         -result, log.tail());
  }
  return absl::FailedPreconditionError(reason);
}

}  // namespace gnomon::egress
