// gnomon: shadows a service of this machine (try), and talks to a coordinator (everything else).

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "cli/command.h"
#include "common/version.h"

namespace {

// One line: what is wrong and where to read more.
int usage(const CLI::App& cli, const CLI::ParseError& error) {
  const auto chosen = cli.get_subcommands();
  const std::string command = chosen.empty() ? "gnomon" : "gnomon " + chosen.front()->get_name();
  return gnomon::cli::usage_error(std::string(error.what()) + " (see " + command + " --help)");
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC's own log lines say nothing that our errors don't; asked for, they come.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  CLI::App cli(
      "Runs an isolated shadow of a live service next to it, on a sample of its real traffic, and compares.\n"
      "Example: sudo gnomon try --port 8080");
  cli.require_subcommand(1);
  cli.set_version_flag("--version", std::string("gnomon ") + gnomon::kVersion);
  std::string coordinator = "127.0.0.1:7400";
  cli.add_option("--coordinator", coordinator, "Address of the coordinator, host:port or unix:PATH")
      ->envname("GNOMON_COORDINATOR")
      ->capture_default_str();
  gnomon::cli::Run run;
  gnomon::cli::add_try(cli, run);
  gnomon::cli::add_apply(cli, coordinator, run);
  gnomon::cli::add_get(cli, coordinator, run);
  gnomon::cli::add_describe(cli, coordinator, run);
  gnomon::cli::add_stop(cli, coordinator, run);
  gnomon::cli::add_adjust(cli, coordinator, run);
  gnomon::cli::add_doctor(cli, run);
  gnomon::cli::add_cleanup(cli, run);
  gnomon::cli::add_version(cli, run);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return cli.exit(help);
  } catch (const CLI::ParseError& error) {
    return usage(cli, error);
  }
  return run();
}
