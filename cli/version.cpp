#include "common/version.h"

#include <cstdio>

#include "cli/command.h"

namespace gnomon::cli {

void add_version(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand("version", "Prints the version");
  command->callback([&run] {
    run = [] {
      std::printf("gnomon %s\n", kVersion);
      return 0;
    };
  });
}

}  // namespace gnomon::cli
