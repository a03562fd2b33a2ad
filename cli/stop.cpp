#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render/session_view.h"
#include "cli/render/verdict.h"

namespace gnomon::cli {
namespace {

int run_stop(const std::string& id, const std::string& coordinator) {
  v1::StopSessionRequest request;
  request.set_id(id);
  const auto session = Client::at(coordinator).call(&Client::Stub::StopSession, request);
  if (!session.ok()) return fail(session.status());
  std::printf("session %s %s\n", session->id().c_str(), state_name(session->status().state()).c_str());
  if (session->has_verdict()) std::fputs(verdict_text(session->verdict(), false).c_str(), stdout);
  return 0;
}

}  // namespace

void add_stop(CLI::App& cli, const std::string& coordinator, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "stop", "Ends something that runs. What was measured is judged.\nExample: gnomon stop session ID");
  command->require_subcommand(1);
  command->fallthrough();
  CLI::App* session = command->add_subcommand("session", "Ends one session (gnomon get sessions lists them)");
  session->fallthrough();
  const auto id = std::make_shared<std::string>();
  session->add_option("id", *id, "The session's id")->required();
  session->callback([&run, &coordinator, id] { run = [&coordinator, id] { return run_stop(*id, coordinator); }; });
}

}  // namespace gnomon::cli
