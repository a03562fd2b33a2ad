#pragma once
// The subcommands of `gnomon-eval`: each adds itself to the command line and, when chosen, says what to run.

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace gnomon::eval {

// What main() runs after parsing; returns the exit status.
using Run = std::function<int()>;

inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

// `run` lives as long as `cli`.
void add_forecast(CLI::App& cli, Run& run);
void add_rolling(CLI::App& cli, Run& run);

void add_detect(CLI::App& cli, Run& run);

void add_judge(CLI::App& cli, Run& run);
void add_sequential(CLI::App& cli, Run& run);

void add_capacity(CLI::App& cli, Run& run);
void add_queueing(CLI::App& cli, Run& run);
void add_usl(CLI::App& cli, Run& run);

// One line on standard error, "gnomon-eval: <message>"; returns the exit status to end with.
int fail(const absl::Status& status);
int usage_error(const std::string& message);

}  // namespace gnomon::eval
