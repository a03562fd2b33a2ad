#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/render/lists.h"
#include "cli/render/session_view.h"
#include "common/status.h"
#include "document/parse.h"

namespace gnomon::cli {
namespace {

int run_adjust(const v1::AdjustSessionRequest& request, const std::string& coordinator) {
  const auto session = Client::at(coordinator).call(&Client::Stub::AdjustSession, request);
  if (!session.ok()) return fail(session.status());
  if (request.has_noise_parameters())
    std::printf("session %s %s: noise from the next treatment on: %s; treatment before it does not count\n",
                session->id().c_str(), state_name(session->status().state()).c_str(),
                noise_summary(session->spec().profile().noise_parameters()).c_str());
  if (request.has_resource_allocation()) {
    const v1::ResourceAllocation& asked = session->spec().profile().resource_allocation();
    const std::string weight = asked.io_weight().empty() ? "" : ", I/O weight " + asked.io_weight() + ",";
    std::printf("session %s %s: %s CPU and %s of memory%s from the next block on; pairs that have begun do not count\n",
                session->id().c_str(), state_name(session->status().state()).c_str(), asked.cpu().c_str(),
                asked.memory().c_str(), weight.c_str());
  }
  if (request.sampled_fraction().empty()) return 0;
  std::printf(
      "session %s %s: %s of %ss sampled from now on\n", session->id().c_str(),
      state_name(session->status().state()).c_str(), session->spec().service().shadow().sampled_fraction().c_str(),
      session->spec().service().shadow().sample_by().empty() ? "connection"
                                                             : session->spec().service().shadow().sample_by().c_str());
  return 0;
}

// The noise of the one profile in a file: that on dependencies has no options of its own.
absl::StatusOr<v1::NoiseParameters> noise_of(const std::string& file) {
  ASSIGN_OR_RETURN(const document::Documents documents, document::parse_file(file));
  if (documents.profiles.size() != 1)
    return absl::InvalidArgumentError(
        fmt::format("{}: has {} profiles; --noise-of takes a file with exactly one", file, documents.profiles.size()));
  return documents.profiles.front().noise_parameters();
}

// The profile's noise as a whole: what is not given is switched off.
std::shared_ptr<v1::NoiseParameters> add_noise_options(CLI::App& session) {
  const auto noise = std::make_shared<v1::NoiseParameters>();
  const auto add = [&](const char* name, std::string* field, const char* what) {
    session.add_option(name, *field, what)->group("Noise, as a whole: what is left out is switched off");
  };
  add("--delay-mean", noise->mutable_response_delay_mean(), "Of responses; as \"50ms\"");
  add("--delay-stddev", noise->mutable_response_delay_stddev(), "As \"10ms\"");
  add("--delay-distribution", noise->mutable_response_delay_distribution(), "normal, pareto or uniform");
  add("--error-rate", noise->mutable_error_rate(), "Of requests; as \"1%\"");
  add("--packet-loss", noise->mutable_packet_loss(), "As \"1%\"");
  add("--packet-duplication", noise->mutable_packet_duplication(), "As \"1%\"");
  add("--packet-reordering", noise->mutable_packet_reordering(), "As \"1%\"");
  add("--rate-limit", noise->mutable_rate_limit(), "Of responses; as \"10Mbit\"");
  add("--connection-refusal", noise->mutable_connection_refusal(), "As \"1%\"");
  add("--connection-reset", noise->mutable_connection_reset(), "As \"1%\"");
  return noise;
}

}  // namespace

void add_adjust(CLI::App& cli, const std::string& coordinator, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "adjust", "Changes something that runs.\nExample: gnomon adjust session ID --sampled-fraction 20%");
  command->require_subcommand(1);
  command->fallthrough();
  CLI::App* session = command->add_subcommand("session",
                                              "Changes how much of production's traffic a session captures, its noise, "
                                              "or its shadow's resources; nothing is attached anew");
  session->fallthrough();
  const auto request = std::make_shared<v1::AdjustSessionRequest>();
  session->add_option("id", *request->mutable_id(), "The session's id")->required();
  session->add_option("--sampled-fraction", *request->mutable_sampled_fraction(),
                      "Share of the connections, or of what the descriptor's shadow.sample_by says; as \"20%\"");
  const auto resources = std::make_shared<v1::ResourceAllocation>();
  session->add_option("--cpu", *resources->mutable_cpu(), "Of the shadow; as \"500m\" or \"0.5x production\"");
  session->add_option("--memory", *resources->mutable_memory(), "Of the shadow; as \"256Mi\" or \"1x production\"");
  session->add_option("--io-weight", *resources->mutable_io_weight(),
                      "Of the shadow's disk time against other shadows', 1 to 1000, 100 being usual");
  const auto noise = add_noise_options(*session);
  const auto no_noise = std::make_shared<bool>(false);
  session->add_flag("--no-noise", *no_noise, "Switches all noise off");
  const auto file = std::make_shared<std::string>();
  session->add_option("--noise-of", *file, "All noise of the profile in this file, that on dependencies included");
  session->callback([&run, &coordinator, request, resources, noise, no_noise, file] {
    const bool some_noise = noise->ByteSizeLong() > 0;
    if (some_noise + *no_noise + !file->empty() > 1) {
      run = [] { return usage_error("--no-noise, --noise-of and the options of noise exclude each other: give one"); };
      return;
    }
    if (some_noise || *no_noise) *request->mutable_noise_parameters() = *noise;
    if (resources->ByteSizeLong() > 0) *request->mutable_resource_allocation() = *resources;
    run = [&coordinator, request, file] {
      if (file->empty()) return run_adjust(*request, coordinator);
      const auto noise_in_file = noise_of(*file);
      if (!noise_in_file.ok()) return fail(noise_in_file.status());
      *request->mutable_noise_parameters() = *noise_in_file;
      return run_adjust(*request, coordinator);
    };
  });
}

}  // namespace gnomon::cli
