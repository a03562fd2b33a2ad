#include "agent/probe/response_probe.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "agent/probe/kernel_log.h"
#include "bpf/response.skel.h"
#include "common/status.h"

namespace gnomon::probe {
namespace {

// In the order of choice.
constexpr std::array kSendPrograms = {"rsp_send", "rsp_sendmsg"};
constexpr const char* kPacketProgram = "rsp_packet";
constexpr std::array<std::string_view, 1> kOwnMaps = {"responses"};

}  // namespace

void ResponseProbe::SkeletonDeleter::operator()(response_bpf* skeleton) const {
  response_bpf::destroy(skeleton);
}

ResponseProbe::ResponseProbe(SkeletonPtr skeleton, Programs programs)
    : skeleton_(std::move(skeleton)), programs_(programs) {}

ResponseProbe::~ResponseProbe() = default;

absl::StatusOr<ResponseProbe::SkeletonPtr> ResponseProbe::load_with(Programs programs, bpf_object* tap, Ring ring) {
  const KernelLog log;
  SkeletonPtr skeleton(response_bpf::open());
  if (!skeleton) return errno_status("responses: cannot open the programs");
  for (const char* program : kSendPrograms)
    bpf_program__set_autoload(bpf_object__find_program_by_name(skeleton->obj, program),
                              std::string_view(program) == programs.send);
  bpf_program__set_autoload(skeleton->progs.rsp_packet, programs.packets);
  tell_ring(*skeleton->rodata, ring);
  int result = share_maps(skeleton->obj, tap, kOwnMaps);
  if (result == 0) result = response_bpf::load(skeleton.get());
  if (result != 0)
    return absl::FailedPreconditionError(
        fmt::format("this kernel lets nothing copy what a service sends (docs/responses.md): {}, errno {}; libbpf: {}",
                    programs.send, -result, log.tail()));
  return skeleton;
}

absl::StatusOr<std::unique_ptr<ResponseProbe>> ResponseProbe::load(bpf_object* tap, Ring ring) {
  absl::Status reason;
  for (const char* send : kSendPrograms) {
    for (const bool packets : {true, false}) {
      const Programs programs{.send = send, .packets = packets};
      absl::StatusOr<SkeletonPtr> skeleton = load_with(programs, tap, ring);
      if (skeleton.ok()) return std::unique_ptr<ResponseProbe>(new ResponseProbe(*std::move(skeleton), programs));
      reason = skeleton.status();
    }
  }
  return reason;
}

// On maps of its own, with rings as small as can be.
Attempt ResponseProbe::try_program(const char* program) {
  const KernelLog log;
  const SkeletonPtr skeleton(response_bpf::open());
  if (!skeleton) return {.program = program, .hook = "", .loads = false, .error = errno, .reason = log.tail()};
  bpf_program* other = nullptr;
  bpf_object__for_each_program(other, skeleton->obj)
      bpf_program__set_autoload(other, std::string_view(bpf_program__name(other)) == program);
  for (bpf_map* ring : {skeleton->maps.ring, skeleton->maps.hot_ring})
    bpf_map__set_max_entries(ring, static_cast<__u32>(::sysconf(_SC_PAGESIZE)));
  const std::string hook = bpf_program__section_name(bpf_object__find_program_by_name(skeleton->obj, program));
  const int result = response_bpf::load(skeleton.get());
  return {.program = program,
          .hook = hook,
          .loads = result == 0,
          .error = -result,
          .reason = result == 0 ? "" : fmt::format("errno {}; libbpf: {}", -result, log.tail())};
}

void ResponseProbe::try_programs(Capabilities& found) {
  for (const char* program : kSendPrograms) found.responses.push_back(try_program(program));
  found.leaving.push_back(try_program(kPacketProgram));
}

absl::Status ResponseProbe::follow(std::uint32_t slot, bool wanted) {
  packets_slots_.erase(slot);
  if (packets_slots_.empty()) packets_link_.reset();
  slots_.erase(slot);
  if (wanted) slots_.insert(slot);
  if (slots_.empty()) links_.clear();
  if (slots_.empty() || !links_.empty()) return absl::OkStatus();
  std::vector<LinkPtr> links;
  for (const char* program : {"rsp_state", programs_.send}) {
    absl::StatusOr<LinkPtr> link = attach(skeleton_->obj, program);
    if (!link.ok()) return absl::FailedPreconditionError(link.status().message());
    links.push_back(*std::move(link));
  }
  links_ = std::move(links);
  return absl::OkStatus();
}

absl::Status ResponseProbe::follow_packets(std::uint32_t slot) {
  if (!programs_.packets)
    return absl::FailedPreconditionError(fmt::format("responses: {} does not load on this kernel", kPacketProgram));
  if (!packets_link_) {
    ASSIGN_OR_RETURN(packets_link_, attach_to_cgroups(skeleton_->obj, kPacketProgram));
  }
  packets_slots_.insert(slot);
  return absl::OkStatus();
}

}  // namespace gnomon::probe
