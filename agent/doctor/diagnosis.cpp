#include "agent/doctor/diagnosis.h"

#include <algorithm>

#include "agent/doctor/examine.h"

namespace gnomon::doctor {
namespace {

std::string evidence_of(int error) {
  return error == 0 ? "yes" : error_name(error);
}

std::vector<std::pair<std::string, std::string>> evidence(const Facts& facts) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, trial] : facts.program_types) found.emplace_back(name, evidence_of(trial.error));
  if (facts.probe) {
    const auto add = [&](const probe::Attempt& attempt) {
      // Of several programs on one hook, one that loads is enough.
      const auto same = std::ranges::find(found, attempt.hook, [](const auto& entry) { return entry.first; });
      if (same == found.end())
        found.emplace_back(attempt.hook, evidence_of(attempt.error));
      else if (attempt.loads)
        same->second = "yes";
    };
    for (const auto& tap : facts.probe->tap) add(tap.attempt);
    for (const auto* attempts :
         {&facts.probe->begin, &facts.probe->arrival, &facts.probe->send, &facts.probe->end, &facts.probe->cause})
      for (const probe::Attempt& attempt : *attempts) add(attempt);
  }
  found.emplace_back("ring buffer", evidence_of(facts.ring.error));
  found.emplace_back("uprobe", evidence_of(facts.uprobe.error));
  found.emplace_back("overlayfs", evidence_of(facts.overlay.error));
  found.emplace_back("open_tree", evidence_of(facts.mount_copies.error));
  found.emplace_back("pidfd_getfd", evidence_of(facts.pidfd_getfd.error));
  found.emplace_back("veth", evidence_of(facts.veth.error));
  found.emplace_back("netem", evidence_of(facts.netem.error));
  return found;
}

}  // namespace

std::string_view state_name(State state) {
  switch (state) {
    case State::kOk:
      return "ok";
    case State::kDegraded:
      return "degraded";
    case State::kMissing:
      return "missing";
    case State::kUnknown:
      return "unknown";
  }
  return "unknown";
}

bool Diagnosis::sessions_can_run() const {
  return std::ranges::none_of(checks, [](const Check& check) {
    return check.required && (check.state == State::kMissing || check.state == State::kUnknown);
  });
}

Diagnosis diagnose(const Facts& facts) {
  Diagnosis diagnosis{.kernel = facts.kernel, .tap = "", .send = "", .checks = {}, .evidence = evidence(facts)};
  if (facts.probe) {
    if (const auto design = facts.probe->design()) diagnosis.tap = probe::design_name(*design);
    if (const auto* send = probe::first_that_loads(facts.probe->send)) diagnosis.send = send->hook;
  }
  for (const auto examine : {examine_kernel, examine_rights, examine_probe, examine_shadow, examine_limits})
    for (Check& check : examine(facts)) diagnosis.checks.push_back(std::move(check));
  return diagnosis;
}

}  // namespace gnomon::doctor
