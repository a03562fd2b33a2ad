#include "cli/command.h"

#include <cstdio>

namespace gnomon::cli {

void add_output_option(CLI::App& command, std::string& output) {
  command.add_option("-o,--output", output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

int fail(const absl::Status& status) {
  std::fprintf(stderr, "gnomon: %s\n", std::string(status.message()).c_str());
  return kFailed;
}

int usage_error(const std::string& message) {
  std::fprintf(stderr, "gnomon: %s\n", message.c_str());
  return kUsage;
}

void note_inert(const std::string& scenario) {
  std::fprintf(stderr, "gnomon: note: scenario %s is accepted, but nothing acts on it in this version\n",
               scenario.c_str());
}

}  // namespace gnomon::cli
