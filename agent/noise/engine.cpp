#include "agent/noise/engine.h"

#include <algorithm>

#include "fmt/format.h"

namespace gnomon::noise {
namespace {

absl::Status missing(const std::string& kind, const char* what, const std::string& reason, const char* module) {
  return absl::FailedPreconditionError(fmt::format(
      "noise_parameters.{}: this node has no {} ({}): modprobe {}, run the session on another node, or leave "
      "it out",
      kind, what, reason, module));
}

}  // namespace

const char* name_of(Engine engine) {
  switch (engine) {
    case Engine::kReplayPath:
      return "replay path";
    case Engine::kTc:
      return "tc";
    case Engine::kNetem:
      return "netem";
    case Engine::kHtb:
      return "htb";
    case Engine::kForwarder:
      return "forwarder";
  }
  return "unknown";
}

absl::StatusOr<std::vector<Use>> choose(const document::Noise& noise, const Capabilities& capabilities) {
  std::vector<Use> chosen;
  const auto packets = [&](const std::string& kind) {
    return capabilities.tc.empty() ? absl::OkStatus()
                                   : missing(kind, "tc programs", capabilities.tc, "sch_ingress cls_bpf");
  };
  if (noise.delays()) chosen.push_back({"response_delay", Engine::kReplayPath});
  if (noise.error_rate.value > 0) chosen.push_back({"error_rate", Engine::kReplayPath});
  for (const auto& [kind, share] :
       {std::pair("packet_loss", noise.packet_loss), std::pair("packet_duplication", noise.packet_duplication)}) {
    if (share.value <= 0) continue;
    if (absl::Status there = packets(kind); !there.ok()) return there;
    chosen.push_back({kind, Engine::kTc});
  }
  if (noise.packet_reordering.value > 0) {
    if (absl::Status there = packets("packet_reordering"); !there.ok()) return there;
    if (!capabilities.netem.empty()) return missing("packet_reordering", "netem", capabilities.netem, "sch_netem");
    if (!capabilities.htb.empty()) return missing("packet_reordering", "htb", capabilities.htb, "sch_htb");
    chosen.push_back({"packet_reordering", Engine::kNetem});
  }
  if (noise.rate_limit > 0) {
    if (absl::Status there = packets("rate_limit"); !there.ok()) return there;
    if (!capabilities.htb.empty()) return missing("rate_limit", "htb", capabilities.htb, "sch_htb");
    chosen.push_back({"rate_limit", Engine::kHtb});
  }
  if (noise.connection_refusal.value > 0)
    chosen.push_back({"connection_refusal", capabilities.tc.empty() ? Engine::kTc : Engine::kReplayPath});
  if (noise.connection_reset.value > 0) chosen.push_back({"connection_reset", Engine::kReplayPath});
  return chosen;
}

absl::StatusOr<std::vector<Use>> choose_for_dependency(const document::Noise& noise, const Capabilities& capabilities) {
  const std::pair<const char*, bool> by_forwarder[] = {{"response_delay", noise.delays()},
                                                       {"error_rate", noise.error_rate.value > 0},
                                                       {"rate_limit", noise.rate_limit > 0},
                                                       {"connection_reset", noise.connection_reset.value > 0}},
                                     by_tc[] = {{"packet_loss", noise.packet_loss.value > 0},
                                                {"packet_duplication", noise.packet_duplication.value > 0},
                                                {"connection_refusal", noise.connection_refusal.value > 0}};
  std::vector<Use> chosen;
  for (const auto& [kind, is_asked] : by_forwarder)
    if (is_asked) chosen.push_back({kind, Engine::kForwarder});
  for (const auto& [kind, is_asked] : by_tc) {
    if (!is_asked) continue;
    if (!capabilities.tc.empty()) return missing(kind, "tc programs", capabilities.tc, "sch_ingress cls_bpf");
    chosen.push_back({kind, Engine::kTc});
  }
  return chosen;
}

bool uses(const std::vector<Use>& chosen, Engine engine) {
  return std::ranges::any_of(chosen, [&](const Use& use) { return use.engine == engine; });
}

const Use* use_of(const std::vector<Use>& chosen, const std::string& kind) {
  const auto found = std::ranges::find(chosen, kind, &Use::kind);
  return found == chosen.end() ? nullptr : &*found;
}

std::string describe(const std::vector<Use>& chosen) {
  std::string text;
  for (const Engine engine : {Engine::kReplayPath, Engine::kTc, Engine::kNetem, Engine::kHtb, Engine::kForwarder}) {
    if (!uses(chosen, engine)) continue;
    std::string kinds;
    for (const Use& use : chosen)
      if (use.engine == engine) kinds += (kinds.empty() ? "" : ", ") + use.kind;
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name_of(engine), kinds);
  }
  return text.empty() ? "none" : text;
}

}  // namespace gnomon::noise
