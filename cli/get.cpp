#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render/lists.h"
#include "cli/render/text.h"

namespace gnomon::cli {
namespace {

struct Options {
  std::string kind, output = "table";
};

template <class Request, class Response>
int list(Client client, grpc::Status (Client::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
         std::string (*table)(const Response&), const std::string& output) {
  const auto response = client.call(method, Request());
  if (!response.ok()) return fail(response.status());
  std::fputs((output == "json" ? to_json(*response) : table(*response)).c_str(), stdout);
  return 0;
}

int run_get(const Options& options, const std::string& coordinator) {
  Client client = Client::at(coordinator);
  if (options.kind == "services")
    return list(std::move(client), &Client::Stub::ListServices, services_table, options.output);
  if (options.kind == "nodes") return list(std::move(client), &Client::Stub::ListNodes, nodes_table, options.output);
  if (options.kind == "sessions")
    return list(std::move(client), &Client::Stub::ListSessions, sessions_table, options.output);
  return list(std::move(client), &Client::Stub::ListProfiles, profiles_table, options.output);
}

}  // namespace

void add_get(CLI::App& cli, const std::string& coordinator, Run& run) {
  CLI::App* command = cli.add_subcommand("get",
                                         "Lists what the coordinator knows: services, nodes, sessions or profiles.\n"
                                         "Example: gnomon get sessions -o json");
  command->fallthrough();
  const auto options = std::make_shared<Options>();
  command->add_option("kind", options->kind, "services, nodes, sessions or profiles")
      ->required()
      ->check(CLI::IsMember({"services", "nodes", "sessions", "profiles"}));
  add_output_option(*command, options->output);
  command->callback(
      [&run, &coordinator, options] { run = [&coordinator, options] { return run_get(*options, coordinator); }; });
}

}  // namespace gnomon::cli
