#pragma once
// The probe's programs by purpose, and loading some of them.

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/probe/capabilities.h"
#include "bpf/probe.skel.h"
#include "common/units.h"

namespace gnomon::probe {

struct SkeletonDeleter {
  void operator()(probe_bpf* skeleton) const { probe_bpf::destroy(skeleton); }
};
using SkeletonPtr = std::unique_ptr<probe_bpf, SkeletonDeleter>;

struct TapProgram {
  TapDesign design;
  const char* program;
};

// In the order of choice.
inline constexpr std::array kTapPrograms = {TapProgram{TapDesign::kPacketCopy, "tap_copy"},
                                            TapProgram{TapDesign::kReceiveReturn, "tap_return"},
                                            TapProgram{TapDesign::kReceiveCall, "tap_call"}};
inline constexpr std::array kBeginPrograms = {"tap_state"};
inline constexpr std::array kEndPrograms = {"tap_destroy"};
inline constexpr std::array kArrivalPrograms = {"lat_ready", "lat_readable"};
inline constexpr const char* kSentProgram = "lat_sent";  // sees a send when it is over: too late for thinning
inline constexpr std::array kSendPrograms = {"lat_send", "lat_sendmsg", kSentProgram};
inline constexpr std::array kCausePrograms = {"tap_cause"};
inline constexpr std::array kPacketPrograms = {"tap_packet"};

// Fails, with the remedy, where the kernel has no BTF.
absl::Status check_btf();

// Whether `program` loads by itself.
Attempt try_program(const char* program);

struct Choice {
  Capabilities tried;  // nothing beyond what was chosen
  TapDesign design = TapDesign::kPacketCopy;
  const char *tap = nullptr, *begin = nullptr, *arrival = nullptr, *send = nullptr;
  const char* end = nullptr;      // null: ends that `begin` misses are not told
  const char* cause = nullptr;    // null: causes of loss remain unknown
  const char* packets = nullptr;  // null: what is spliced is not captured
};

struct Chosen {
  Choice choice;
  SkeletonPtr skeleton;
};

// Loads the best programs that this kernel takes; with `design`, its tap. Fails with the kernel's reasons:
// kPermissionDenied if this process may load none, else kFailedPrecondition.
absl::StatusOr<Chosen> load_best(std::optional<TapDesign> design, Bytes ring);

}  // namespace gnomon::probe
