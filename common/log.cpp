#include "common/log.h"

#include <string>

#include "spdlog/sinks/stdout_sinks.h"

namespace gnomon {

void start_logging(const char* program, const char* level) {
  auto logger = spdlog::stderr_logger_mt(program);
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l %v");
  spdlog::level::level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && std::string(level) != "off") parsed = spdlog::level::info;
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace gnomon
