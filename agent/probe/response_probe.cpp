#include "agent/probe/response_probe.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <array>
#include <string_view>

#include "agent/probe/kernel_log.h"
#include "bpf/response.skel.h"
#include "common/status.h"

namespace gnomon::probe {
namespace {

// In the order of choice.
constexpr std::array kSendPrograms = {"rsp_send", "rsp_sendmsg"};
constexpr std::array<std::string_view, 3> kOwnMaps = {"response_bound", "responded", "responses"};

}  // namespace

void ResponseProbe::SkeletonDeleter::operator()(response_bpf* skeleton) const {
  response_bpf::destroy(skeleton);
}

ResponseProbe::ResponseProbe(SkeletonPtr skeleton, const char* send) : skeleton_(std::move(skeleton)), send_(send) {}

ResponseProbe::~ResponseProbe() = default;

absl::StatusOr<ResponseProbe::SkeletonPtr> ResponseProbe::load_with(const char* send, bpf_object* tap, Ring ring) {
  const KernelLog log;
  SkeletonPtr skeleton(response_bpf::open());
  if (!skeleton) return errno_status("responses: cannot open the programs");
  for (const char* program : kSendPrograms)
    bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj, program),
                              std::string_view(program) == send);
  skeleton->rodata->ring_bytes = ring.bytes;
  skeleton->rodata->wake_bytes = ring.wake_bytes;
  skeleton->rodata->hot_wake_bytes = ring.hot_wake_bytes;
  int result = share_maps(skeleton->obj, tap, kOwnMaps);
  if (result == 0) result = response_bpf::load(skeleton.get());
  if (result != 0)
    return absl::FailedPreconditionError(
        fmt::format("this kernel lets nothing copy what a service sends (docs/responses.md): {}, errno {}; libbpf: {}",
                    send, -result, log.tail()));
  return skeleton;
}

absl::StatusOr<std::unique_ptr<ResponseProbe>> ResponseProbe::load(bpf_object* tap, Ring ring) {
  absl::Status reason;
  for (const char* send : kSendPrograms) {
    absl::StatusOr<SkeletonPtr> skeleton = load_with(send, tap, ring);
    if (skeleton.ok()) return std::unique_ptr<ResponseProbe>(new ResponseProbe(*std::move(skeleton), send));
    reason = skeleton.status();
  }
  return reason;
}

absl::Status ResponseProbe::set_bound(std::uint32_t slot, Bytes bound) {
  const auto bytes = static_cast<std::uint32_t>(bound.value);
  const int map = bpf_map__fd(skeleton_->maps.response_bound);
  if (const int result = bpf_map_update_elem(map, &slot, &bytes, BPF_ANY); result != 0)
    return errno_status(-result, "responses: cannot set how much is captured of them");
  if (bytes == 0)
    slots_.erase(slot);
  else
    slots_.insert(slot);
  if (slots_.empty()) links_.clear();
  if (slots_.empty() || !links_.empty()) return absl::OkStatus();
  for (const char* program : {"rsp_state", send_}) {
    const KernelLog log;
    LinkPtr link(bpf_program__attach(bpf_object__find_program_by_name(skeleton_->obj, program)));
    if (!link) return errno_status(fmt::format("responses: cannot attach {}; libbpf: {}", program, log.tail()));
    links_.push_back(std::move(link));
  }
  return absl::OkStatus();
}

absl::StatusOr<response_counters> ResponseProbe::totals(std::uint32_t slot) const {
  std::vector<response_counters> cpus(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  const int result = bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.responded), &slot, cpus.data());
  if (result != 0) return errno_status(-result, "responses: cannot read a slot's counters");
  response_counters sum{};
  for (const response_counters& cpu : cpus)
    for (std::size_t i = 0; i < RESPONSE_COUNTERS; ++i) sum.value[i] += cpu.value[i];
  return sum;
}

}  // namespace gnomon::probe
