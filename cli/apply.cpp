#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "common/units.h"
#include "document/parse.h"
#include "document/profile.h"

namespace gnomon::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::string duration, fraction;
};

// What is not valid otherwise, the coordinator says.
void note_inert_scenarios(const v1::ShadowInstanceProfile& message) {
  const auto profile = document::validate(message);
  if (!profile.ok()) return;
  for (const std::string& scenario : profile->inert_scenarios) note_inert(scenario);
}

int run_apply(const Options& options, const std::string& coordinator) {
  v1::ApplyRequest request;
  if (!options.duration.empty()) {
    const auto duration = parse_duration(options.duration);
    if (!duration.ok()) return usage_error("--for: " + std::string(duration.status().message()));
    request.set_session_duration_ms(std::chrono::duration_cast<std::chrono::milliseconds>(*duration).count());
    if (request.session_duration_ms() == 0) return usage_error("--for: must be above zero, as \"60s\"");
  }
  if (!options.fraction.empty()) {
    const auto fraction = parse_fraction(options.fraction);
    if (!fraction.ok()) return usage_error("--fraction: " + std::string(fraction.status().message()));
    request.set_sampled_fraction(options.fraction);
  }
  for (const std::string& file : options.files) {
    const auto documents = document::parse_file(file);
    if (!documents.ok()) return fail(documents.status());
    for (const auto& service : documents->services) *request.add_services() = service;
    for (const auto& profile : documents->profiles) {
      *request.add_profiles() = profile;
      note_inert_scenarios(profile);
    }
  }
  const auto response = Client::at(coordinator).call(&Client::Stub::Apply, request);
  if (!response.ok()) return fail(response.status());
  for (const std::string& name : response->services()) std::printf("service %s applied\n", name.c_str());
  for (const std::string& id : response->profiles()) std::printf("profile %s applied\n", id.c_str());
  for (const std::string& id : response->sessions()) std::printf("session %s started\n", id.c_str());
  return 0;
}

}  // namespace

void add_apply(CLI::App& cli, const std::string& coordinator, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "apply",
      "Gives service descriptors and profiles (YAML or JSON) to the coordinator. Each profile starts one session.\n"
      "Example: gnomon apply -f service.yaml -f profile.json --for 2m");
  command->fallthrough();
  const auto options = std::make_shared<Options>();
  command->add_option("-f,--file", options->files, "File with documents; may be given several times")->required();
  command->add_option("--for", options->duration, "Length of the sessions that start, 15s to 24h (default: 60s)");
  command->add_option("--fraction", options->fraction, "Share of connections to sample, instead of the descriptor's");
  command->callback(
      [&run, &coordinator, options] { run = [&coordinator, options] { return run_apply(*options, coordinator); }; });
}

}  // namespace gnomon::cli
