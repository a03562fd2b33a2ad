#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render/session_view.h"

namespace gnomon::cli {
namespace {

int run_adjust(const v1::AdjustSessionRequest& request, const std::string& coordinator) {
  const auto session = Client::at(coordinator).call(&Client::Stub::AdjustSession, request);
  if (!session.ok()) return fail(session.status());
  std::printf(
      "session %s %s: %s of %ss sampled from now on\n", session->id().c_str(),
      state_name(session->status().state()).c_str(), session->spec().service().shadow().sampled_fraction().c_str(),
      session->spec().service().shadow().sample_by().empty() ? "connection"
                                                             : session->spec().service().shadow().sample_by().c_str());
  return 0;
}

}  // namespace

void add_adjust(CLI::App& cli, const std::string& coordinator, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "adjust", "Changes something that runs.\nExample: gnomon adjust session ID --sampled-fraction 20%");
  command->require_subcommand(1);
  command->fallthrough();
  CLI::App* session = command->add_subcommand(
      "session", "Changes how much of production's traffic a session captures; nothing is attached anew");
  session->fallthrough();
  const auto request = std::make_shared<v1::AdjustSessionRequest>();
  session->add_option("id", *request->mutable_id(), "The session's id")->required();
  session
      ->add_option("--sampled-fraction", *request->mutable_sampled_fraction(),
                   "Share of the connections, or of what the descriptor's shadow.sample_by says; as \"20%\"")
      ->required();
  session->callback(
      [&run, &coordinator, request] { run = [&coordinator, request] { return run_adjust(*request, coordinator); }; });
}

}  // namespace gnomon::cli
