#include "agent/noise/packets.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <vector>

#include "agent/probe/kernel_log.h"
#include "bpf/noise.skel.h"
#include "common/status.h"

namespace gnomon::noise {
namespace {

// Before all other filters: what passes goes on to them.
constexpr std::uint32_t kPriority = 1, kHandle = 0x6e;

std::uint64_t threshold(Fraction share) {
  return static_cast<std::uint64_t>(std::llround(share.value * 4294967296.0));
}

struct SkeletonDeleter {
  void operator()(noise_bpf* skeleton) const { noise_bpf::destroy(skeleton); }
};

class TcPackets final : public Packets {
 public:
  explicit TcPackets(noise_bpf* skeleton) : skeleton_(skeleton), cpus_(libbpf_num_possible_cpus()) {}

  absl::Status attach(const Hook& hook) override {
    RETURN_IF_ERROR(attach(hook, BPF_TC_INGRESS, skeleton_->progs.noise_arrival));
    return hook.responses ? attach(hook, BPF_TC_EGRESS, skeleton_->progs.noise_response) : absl::OkStatus();
  }

  void set(const PacketNoise& noise, bool on) override {
    noise_settings& settings = skeleton_->bss->settings;
    const std::atomic_ref<__u32> switched(settings.on);
    switched = 0;  // what follows is not seen half done
    settings.shape = noise.shape ? 1 : 0;
    settings.loss = threshold(noise.loss);
    settings.duplicate = threshold(noise.duplication);
    settings.refuse = threshold(noise.refusal);
    switched = on ? 1 : 0;
  }

  absl::StatusOr<noise_counters> read() const override {
    std::vector<noise_counters> each(static_cast<std::size_t>(cpus_));
    const __u32 zero = 0;
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counts), &zero, each.data()) != 0)
      return errno_status("noise: cannot read the counters of packets");
    noise_counters sum{};
    for (const noise_counters& one : each) {
      sum.packets += one.packets;
      sum.dropped += one.dropped;
      sum.offered += one.offered;
      sum.duplicated += one.duplicated;
      sum.attempts += one.attempts;
      sum.refused += one.refused;
      sum.responses += one.responses;
      sum.response_bytes += one.response_bytes;
    }
    return sum;
  }

 private:
  static absl::Status attach(const Hook& where, bpf_tc_attach_point point, const bpf_program* program) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(::if_nametoindex(where.link)), .attach_point = point);
    LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program), .handle = kHandle + where.number,
                .priority = kPriority);
    const probe::KernelLog log;  // keeps complaints of a clsact that is there already
    int error = bpf_tc_hook_create(&hook);
    if (error == 0 || error == -EEXIST) error = bpf_tc_attach(&hook, &options);
    if (error == 0) return absl::OkStatus();
    return errno_status(
        -error, fmt::format("noise: attaching to {} with tc (needs sch_ingress and cls_bpf); libbpf: {}", where.link,
                            log.tail()));
  }

  const std::unique_ptr<noise_bpf, SkeletonDeleter> skeleton_;
  const int cpus_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Packets>> Packets::load(std::uint16_t port, std::uint16_t udp_port) {
  const probe::KernelLog log;
  noise_bpf* skeleton = noise_bpf::open();
  if (skeleton == nullptr) return errno_status("noise: opening the packet programs");
  auto packets = std::make_unique<TcPackets>(skeleton);
  skeleton->bss->settings.port = port;
  skeleton->bss->settings.udp_port = udp_port;
  if (const int error = noise_bpf::load(skeleton); error != 0)
    return errno_status(-error,
                        "noise: loading the packet programs (needs CAP_BPF and CAP_NET_ADMIN); libbpf: " + log.tail());
  return packets;
}

}  // namespace gnomon::noise
