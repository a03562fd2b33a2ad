#pragma once
// Programs of the node that do a part of the work and end.

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace gnomon::shadow {

// The path of a program, looked for in PATH and where programs usually are; empty if there is none.
std::string find_program(const std::string& name);

struct ToolRun {
  std::vector<std::string> argv;     // the first is its path
  std::vector<std::string> cgroups;  // directories: it is in these before it begins
  std::chrono::seconds longest;
  int stop = -1;  // a descriptor: it is killed when this is readable; negative: none
};

// Runs it to its end; it is killed with the calling thread, with its time, and with `stop`. The error is what it said
// last; kDeadlineExceeded and kCancelled if it was ended.
absl::Status run_tool(const ToolRun& run);

}  // namespace gnomon::shadow
