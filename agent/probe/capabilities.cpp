#include "agent/probe/capabilities.h"

#include <algorithm>

#include "agent/probe/programs.h"
#include "agent/probe/response_probe.h"
#include "common/status.h"

namespace gnomon::probe {
namespace {

template <class Programs>
std::vector<Attempt> try_all(const Programs& programs) {
  std::vector<Attempt> attempts;
  for (const char* program : programs) attempts.push_back(try_program(program));
  return attempts;
}

}  // namespace

std::string_view design_name(TapDesign design) {
  switch (design) {
    case TapDesign::kPacketCopy:
      return "packet-copy";
    case TapDesign::kReceiveReturn:
      return "receive-return";
    case TapDesign::kReceiveCall:
      return "receive-call";
  }
  return "unknown";
}

const Attempt* first_that_loads(const std::vector<Attempt>& attempts) {
  const auto found = std::ranges::find_if(attempts, &Attempt::loads);
  return found == attempts.end() ? nullptr : &*found;
}

std::optional<TapDesign> Capabilities::design() const {
  const auto found = std::ranges::find_if(tap, [](const Tap& entry) { return entry.attempt.loads; });
  return found == tap.end() ? std::nullopt : std::optional(found->design);
}

absl::StatusOr<Capabilities> find_capabilities() {
  RETURN_IF_ERROR(check_btf());
  Capabilities found;
  for (const auto& [design, program] : kTapPrograms) found.tap.push_back({design, try_program(program)});
  found.begin = try_all(kBeginPrograms);
  found.arrival = try_all(kArrivalPrograms);
  found.send = try_all(kSendPrograms);
  found.end = try_all(kEndPrograms);
  found.cause = try_all(kCausePrograms);
  found.packets = try_all(kPacketPrograms);
  ResponseProbe::try_programs(found);
  return found;
}

}  // namespace gnomon::probe
