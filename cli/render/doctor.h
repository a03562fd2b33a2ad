#pragma once
// A node's diagnosis as people and programs read it.

#include <string>

#include "agent/doctor/diagnosis.h"

namespace gnomon::cli {

// One line a check, and below it what is used instead and the remedy; ends with the verdict.
std::string diagnosis_text(const doctor::Diagnosis& diagnosis);

// {"sessions_can_run", "kernel", "tap", "send", "checks": [{"id", "area", "state", "required", "seen", "uses",
// "remedy"}], "evidence": {name: "yes" or the error}}; "tap" and "send" are null where nothing loads.
std::string diagnosis_json(const doctor::Diagnosis& diagnosis);

}  // namespace gnomon::cli
