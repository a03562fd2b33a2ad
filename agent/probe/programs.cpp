#include "agent/probe/programs.h"

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "agent/probe/kernel_log.h"
#include "bpf/abi/probe.h"
#include "common/status.h"

namespace gnomon::probe {
namespace {

constexpr char kBtf[] = "/sys/kernel/btf/vmlinux";

struct Loaded {
  SkeletonPtr skeleton;  // null on failure, and then
  int error = 0;         // errno's value
  std::string reason;    // what libbpf and the kernel said
};

int load(probe_bpf* skeleton, std::span<const char* const> programs, Bytes ring) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    const std::string_view name = bpf_program__name(program);
    bpf_program__set_autoload(program,
                              std::ranges::any_of(programs, [&](const char* wanted) { return wanted == name; }));
  }
  const auto bytes = static_cast<std::uint32_t>(ring.value);
  skeleton->rodata->ring_bytes = bytes;
  skeleton->rodata->tap_is_later =
      std::ranges::none_of(programs, [](std::string_view wanted) { return wanted == kTapPrograms.front().program; });
  skeleton->rodata->wake_bytes = std::min<std::uint32_t>(PROBE_WAKE_BYTES, bytes / 4);
  const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  const std::uint32_t hot_bytes = std::clamp<std::uint32_t>(bytes / 4, page, PROBE_HOT_RING_BYTES);
  skeleton->rodata->hot_wake_bytes = hot_bytes / 2;
  if (const int result = bpf_map__set_max_entries(skeleton->maps.ring, bytes); result != 0) return result;
  if (const int result = bpf_map__set_max_entries(skeleton->maps.hot_ring, hot_bytes); result != 0) return result;
  return probe_bpf::load(skeleton);
}

// Loads the named programs and no other, with a ring of that size.
Loaded load_programs(std::span<const char* const> programs, Bytes ring) {
  const KernelLog log;
  SkeletonPtr skeleton(probe_bpf::open());
  const int result = skeleton ? load(skeleton.get(), programs, ring) : -errno;
  if (result != 0)
    return {.skeleton = nullptr, .error = -result, .reason = fmt::format("errno {}; libbpf: {}", -result, log.tail())};
  return {.skeleton = std::move(skeleton), .error = 0, .reason = ""};
}

// What to try first, as if all of it loaded; no tap if there is none of that design.
Choice first_choice(std::optional<TapDesign> design) {
  Choice choice{.tried = {},
                .design = design.value_or(kTapPrograms.front().design),
                .tap = nullptr,
                .begin = kBeginPrograms.front(),
                .arrival = kArrivalPrograms.front(),
                .send = kSendPrograms.front(),
                .end = kEndPrograms.front(),
                .cause = kCausePrograms.front(),
                .packets = kPacketPrograms.front()};
  const auto tap = std::ranges::find(kTapPrograms, choice.design, &TapProgram::design);
  if (tap != kTapPrograms.end()) choice.tap = tap->program;
  return choice;
}

std::vector<const char*> programs_of(const Choice& choice) {
  std::vector<const char*> programs;
  for (const char* program :
       {choice.begin, choice.tap, choice.arrival, choice.send, choice.end, choice.cause, choice.packets})
    if (program != nullptr) programs.push_back(program);
  return programs;
}

std::string section_of(const probe_bpf& skeleton, const char* program) {
  const bpf_program* const found = bpf_object__find_program_by_name(skeleton.obj, program);
  return found != nullptr ? bpf_program__section_name(found) : "";
}

// Says of all programs of a choice that they load.
void tell_loaded(Choice& choice, const probe_bpf& skeleton) {
  const auto loads = [&](const char* program) {
    return Attempt{.program = program, .hook = section_of(skeleton, program), .loads = true, .error = 0, .reason = ""};
  };
  choice.tried = {.tap = {{choice.design, loads(choice.tap)}},
                  .begin = {loads(choice.begin)},
                  .arrival = {loads(choice.arrival)},
                  .send = {loads(choice.send)},
                  .end = {loads(choice.end)},
                  .cause = {loads(choice.cause)},
                  .packets = {loads(choice.packets)}};
}

}  // namespace

absl::Status check_btf() {
  if (::access(kBtf, R_OK) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("probe: cannot read {}; Gnomon needs a kernel built with CONFIG_DEBUG_INFO_BTF=y", kBtf));
}

Attempt try_program(const char* program) {
  const std::array<const char*, 1> alone = {program};
  Loaded loaded = load_programs(alone, Bytes{static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))});
  Attempt attempt{.program = program,
                  .hook = "",
                  .loads = loaded.skeleton != nullptr,
                  .error = loaded.error,
                  .reason = loaded.reason};
  const SkeletonPtr unloaded(probe_bpf::open());  // a failed load takes its object with it
  const bpf_program* const found = unloaded ? bpf_object__find_program_by_name(unloaded->obj, program) : nullptr;
  if (found != nullptr) attempt.hook = bpf_program__section_name(found);
  return attempt;
}

namespace {

// Tries `program` and tells `attempts`; true if it is the one.
bool take(const char* program, const char** chosen, std::vector<Attempt>& attempts) {
  attempts.push_back(try_program(program));
  if (attempts.back().loads) *chosen = program;
  return attempts.back().loads;
}

absl::Status no_permission(std::string_view reason) {  // EPERM; EACCES would be the verifier's
  return absl::PermissionDeniedError(fmt::format(
      "probe: the kernel refused to load BPF programs; run as root, or with CAP_BPF and CAP_PERFMON; {}", reason));
}

// `what` cannot be loaded, for the last of the attempts' reason.
absl::Status none_loads(std::string_view what, const std::vector<Attempt>& attempts) {
  return absl::FailedPreconditionError(
      fmt::format("probe: this kernel lets nothing see {} (gnomon needs one of the programs of "
                  "docs/kernel-support.md); {} at {}: {}",
                  what, attempts.back().program, attempts.back().hook, attempts.back().reason));
}

// Each program by itself, so that each has its reason.
absl::StatusOr<Choice> choose(std::optional<TapDesign> design) {
  Choice choice;
  Capabilities& tried = choice.tried;
  for (const char* program : kBeginPrograms)
    if (take(program, &choice.begin, tried.begin)) break;
  if (choice.begin == nullptr) {
    if (tried.begin.back().error == EPERM) return no_permission(tried.begin.back().reason);
    return none_loads("the begin and end of connections", tried.begin);
  }
  for (const auto& [of, program] : kTapPrograms) {
    if (design && *design != of) continue;
    tried.tap.push_back({of, try_program(program)});
    if (!tried.tap.back().attempt.loads) continue;
    choice.design = of;
    choice.tap = program;
    break;
  }
  if (choice.tap == nullptr) return none_loads("what a service reads", {tried.tap.back().attempt});
  for (const char* program : kArrivalPrograms)
    if (take(program, &choice.arrival, tried.arrival)) break;
  if (choice.arrival == nullptr) return none_loads("a request's arrival", tried.arrival);
  for (const char* program : kSendPrograms)
    if (take(program, &choice.send, tried.send)) break;
  if (choice.send == nullptr) return none_loads("what a service sends", tried.send);
  for (const char* program : kEndPrograms)
    if (take(program, &choice.end, tried.end)) break;
  for (const char* program : kCausePrograms)
    if (take(program, &choice.cause, tried.cause)) break;
  for (const char* program : kPacketPrograms)
    if (take(program, &choice.packets, tried.packets)) break;
  return choice;
}

}  // namespace

absl::StatusOr<Chosen> load_best(std::optional<TapDesign> design, Bytes ring) {
  Choice choice = first_choice(design);
  Loaded loaded = load_programs(programs_of(choice), ring);
  if (loaded.skeleton) {
    tell_loaded(choice, *loaded.skeleton);
  } else {
    ASSIGN_OR_RETURN(choice, choose(design));
    loaded = load_programs(programs_of(choice), ring);
  }
  if (!loaded.skeleton) {
    return absl::FailedPreconditionError(
        fmt::format("probe: programs that load by themselves do not load together; {}", loaded.reason));
  }
  return Chosen{std::move(choice), std::move(loaded.skeleton)};
}

}  // namespace gnomon::probe
