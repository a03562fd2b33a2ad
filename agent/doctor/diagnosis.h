#pragma once
// What follows from the facts: what this node can do, what Gnomon uses and why, what is missing and the remedy. Pure.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/doctor/facts.h"

namespace gnomon::doctor {

enum class State {
  kOk,
  kDegraded,  // sessions run; something else is used, or less is seen
  kMissing,
  kUnknown,  // could not be checked
};

// "ok", "degraded", "missing", "unknown"
std::string_view state_name(State state);

struct Check {
  std::string id;
  std::string area;  // "kernel", "rights", "probe", "shadow", "limits"
  State state = State::kOk;
  bool required = false;  // without it no session runs
  std::string seen;
  std::string uses;    // what Gnomon does with what is there; may be empty
  std::string remedy;  // a command or a setting; empty if nothing is to be done
};

struct Diagnosis {
  std::string kernel;
  std::string tap;   // the design that is used; empty: none loads
  std::string send;  // the hook of responses that is used; empty: none loads
  std::vector<Check> checks;
  // By name, whether it could be had: "yes", or the error's name. What docs/kernel-support.md says by kernel.
  std::vector<std::pair<std::string, std::string>> evidence;

  // Nothing that is required is missing or unknown.
  bool sessions_can_run() const;
};

Diagnosis diagnose(const Facts& facts);

}  // namespace gnomon::doctor
