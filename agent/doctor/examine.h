#pragma once
// The areas of a diagnosis, each a list of checks. Pure.

#include <string>
#include <vector>

#include "agent/doctor/diagnosis.h"

namespace gnomon::doctor {

std::vector<Check> examine_kernel(const Facts& facts);
std::vector<Check> examine_rights(const Facts& facts);
std::vector<Check> examine_probe(const Facts& facts);
std::vector<Check> examine_shadow(const Facts& facts);
std::vector<Check> examine_limits(const Facts& facts);

// Whether the process has the capability, by its name: "CAP_BPF". What CAP_SYS_ADMIN stands for counts.
bool has_capability(const Facts& facts, std::string_view name);

// How the process gets capabilities: sudo, or the setting of whatever started it.
std::string grant(const Facts& facts, const std::vector<std::string>& names);

// "EPERM"; "error 524" for what has no name.
std::string error_name(int error);

// "works", or the error and what more there is.
std::string outcome(const Trial& trial);

// A check that goes by one trial. Refused for want of one of `needs` it is unknown: the rights say what to do. `check`
// holds what is true if it works, and the remedy if it does not.
Check judge(const Facts& facts, const Trial& trial, const std::vector<std::string>& needs, Check check);

}  // namespace gnomon::doctor
