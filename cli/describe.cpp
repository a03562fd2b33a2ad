#include "cli/render/describe.h"

#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render/text.h"

namespace gnomon::cli {
namespace {

struct Options {
  std::string id, output = "table";
};

int run_describe(const Options& options, const std::string& coordinator) {
  v1::GetSessionRequest request;
  request.set_id(options.id);
  const auto session = Client::at(coordinator).call(&Client::Stub::GetSession, request);
  if (!session.ok()) return fail(session.status());
  std::fputs((options.output == "json" ? to_json(*session) : session_text(*session)).c_str(), stdout);
  return 0;
}

}  // namespace

void add_describe(CLI::App& cli, const std::string& coordinator, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "describe", "Shows one thing in full: its state, counters and verdict.\nExample: gnomon describe session ID");
  command->require_subcommand(1);
  command->fallthrough();
  CLI::App* session = command->add_subcommand("session", "Shows one session (gnomon get sessions lists them)");
  session->fallthrough();
  const auto options = std::make_shared<Options>();
  session->add_option("id", options->id, "The session's id")->required();
  add_output_option(*session, options->output);
  session->callback(
      [&run, &coordinator, options] { run = [&coordinator, options] { return run_describe(*options, coordinator); }; });
}

}  // namespace gnomon::cli
