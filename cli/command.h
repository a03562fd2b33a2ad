#pragma once
// The commands of `gnomon`: each adds itself to the command line and, when chosen, says what to run.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace gnomon::cli {

// What main() runs after parsing; returns the exit status.
using Run = std::function<int()>;

inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kAnomaly = 3;       // with try --exit-code
inline constexpr int kInconclusive = 4;  // with try --exit-code

// `coordinator` and `run` live as long as `cli`.
void add_try(CLI::App& cli, Run& run);
void add_apply(CLI::App& cli, const std::string& coordinator, Run& run);
void add_get(CLI::App& cli, const std::string& coordinator, Run& run);
void add_describe(CLI::App& cli, const std::string& coordinator, Run& run);
void add_stop(CLI::App& cli, const std::string& coordinator, Run& run);
void add_adjust(CLI::App& cli, const std::string& coordinator, Run& run);
void add_cleanup(CLI::App& cli, Run& run);
void add_doctor(CLI::App& cli, Run& run);
void add_version(CLI::App& cli, Run& run);

// "-o table|json" on a command.
void add_output_option(CLI::App& command, std::string& output);

// One line on standard error, "gnomon: <message>"; returns the exit status to end with.
int fail(const absl::Status& status);
int usage_error(const std::string& message);
// The same of a profile's scenario that is accepted by its name alone.
void note_inert(const std::string& scenario);

}  // namespace gnomon::cli
