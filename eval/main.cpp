// gnomon-eval: runs the coordinator's models on files and writes what they say, for a scorer to judge.

#include <CLI/CLI.hpp>

#include "common/version.h"
#include "eval/command.h"

namespace {

// One line: what is wrong and where to read more.
int usage(const CLI::App& cli, const CLI::ParseError& error) {
  const auto chosen = cli.get_subcommands();
  const std::string command = chosen.empty() ? "gnomon-eval" : "gnomon-eval " + chosen.front()->get_name();
  return gnomon::eval::usage_error(std::string(error.what()) + " (see " + command + " --help)");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli(
      "Runs the coordinator's models on recorded data and writes their answers, the very code that runs online.\n"
      "A model sees a file's rows in order and never looks ahead; settings are the product's defaults.");
  cli.set_version_flag("--version", std::string("gnomon-eval ") + gnomon::kVersion);
  gnomon::eval::Run run;
  gnomon::eval::add_capacity(cli, run);
  gnomon::eval::add_detect(cli, run);
  gnomon::eval::add_forecast(cli, run);
  gnomon::eval::add_judge(cli, run);
  gnomon::eval::add_queueing(cli, run);
  gnomon::eval::add_rolling(cli, run);
  gnomon::eval::add_sequential(cli, run);
  gnomon::eval::add_usl(cli, run);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return cli.exit(help);
  } catch (const CLI::ParseError& error) {
    return usage(cli, error);
  }
  return run ? run() : usage(cli, CLI::RequiredError("A subcommand"));
}
