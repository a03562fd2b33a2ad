#include "agent/session/dependency_noise.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>

#include "agent/session/noise_checks.h"
#include "agent/shadow/namespaces.h"
#include "agent/shadow/network.h"
#include "common/status.h"

namespace gnomon::session {

absl::Status DependencyNoise::adopt(const std::vector<document::DependencyNoise>& noise,
                                    const noise::Capabilities& capabilities) {
  switch_to(false);
  for (const OnPath& former : noisy_) paths_.forwarder->set_noise(former.rule, {});
  noisy_.clear();
  for (const document::DependencyNoise& asked : noise) {
    const auto rule = std::ranges::find(paths_.rules, asked.to, &document::EgressRule::to);
    if (rule == paths_.rules.end() || paths_.forwarder == nullptr)
      return absl::FailedPreconditionError(
          fmt::format("noise_parameters.dependencies: \"{}\": no rule of shadow.egress has it", asked.to));
    OnPath path{.rule = static_cast<std::size_t>(rule - paths_.rules.begin()), .asked = asked};
    ASSIGN_OR_RETURN(path.uses, noise::choose_for_dependency(asked.noise, capabilities));
    paths_.forwarder->set_noise(path.rule, {.model = model_of(asked.noise), .rate_limit = asked.noise.rate_limit});
    if (uses(path.uses, noise::Engine::kTc)) {
      ASSIGN_OR_RETURN(noise::Packets * packets, packets_of(path.rule));
      ASSIGN_OR_RETURN(path.before, packets->read());
    }
    noisy_.push_back(std::move(path));
  }
  return absl::OkStatus();
}

// Both directions are dropped where they arrive, as the shadow's own packets are.
absl::StatusOr<noise::Packets*> DependencyNoise::packets_of(std::size_t rule) {
  if (const auto there = packets_.find(rule); there != packets_.end()) return there->second.get();
  const egress::Ports& ports = paths_.forwarder->ports();
  ASSIGN_OR_RETURN(auto packets, noise::Packets::load(ports.tcp[rule], ports.udp[rule]));
  const auto number = static_cast<unsigned>(rule + 1);  // 0 is the shadow's own
  for (const auto& [netns, link] :
       {std::pair{paths_.link_netns, shadow::kReplayLink}, std::pair{paths_.shadow_netns, shadow::kShadowLink}})
    RETURN_IF_ERROR(shadow::run_inside(
        netns, CLONE_NEWNET, [&, device = link] { return packets->attach({.link = device, .number = number}); }));
  return (packets_[rule] = std::move(packets)).get();
}

void DependencyNoise::switch_to(bool on) {
  if (paths_.forwarder != nullptr && !noisy_.empty()) paths_.forwarder->switch_noise(on);
  for (const OnPath& path : noisy_) {
    const auto packets = packets_.find(path.rule);
    if (packets == packets_.end() || !uses(path.uses, noise::Engine::kTc)) continue;
    packets->second->set({.loss = path.asked.noise.packet_loss,
                          .duplication = path.asked.noise.packet_duplication,
                          .refusal = path.asked.noise.connection_refusal},
                         on);
  }
}

absl::StatusOr<std::vector<noise::Check>> DependencyNoise::checks(Nanos on) const {
  std::vector<noise::Check> all;
  for (const OnPath& path : noisy_) {
    const egress::PathTally tally = paths_.forwarder->noise_tally(path.rule);
    Injected injected{.tally = tally.tally, .limited_bits = 8 * static_cast<double>(tally.bytes), .on = on};
    if (const auto packets = packets_.find(path.rule); packets != packets_.end()) {
      ASSIGN_OR_RETURN(const noise_counters now, packets->second->read());
      injected.packets = since(path.before, now);
    }
    for (noise::Check& check : check_injected(path.asked.noise, path.uses, injected)) {
      check.dependency = path.asked.to;
      all.push_back(std::move(check));
    }
  }
  return all;
}

std::string DependencyNoise::engines() const {
  std::string text;
  for (const OnPath& path : noisy_)
    text += fmt::format("{}to {}: {}", text.empty() ? "" : "; ", path.asked.to, noise::describe(path.uses));
  return text;
}

Nanos DependencyNoise::longest_delay() const {
  Nanos longest{0};
  for (const OnPath& path : noisy_)
    longest = std::max(longest, path.asked.noise.response_delay_mean + 4 * path.asked.noise.response_delay_stddev);
  return longest;
}

}  // namespace gnomon::session
