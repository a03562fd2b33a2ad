#pragma once
// Logging: to standard error, one line an event, never payload bytes.

#include "spdlog/spdlog.h"

namespace gnomon {

// Routes spdlog's default logger to standard error. `level`: "debug", "info", "warn", "error"; anything else is "info".
void start_logging(const char* program, const char* level);

}  // namespace gnomon
