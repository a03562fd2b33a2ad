#include "cli/render/doctor.h"

#include <cstdio>
#include <memory>

#include "agent/doctor/gather.h"
#include "agent/shadow/shadow.h"
#include "cli/command.h"

namespace gnomon::cli {
namespace {

constexpr char kHelp[] =
    "Says what this node can do, what Gnomon will use of it and why, and what is missing with the remedy.\n"
    "Everything is found by trying it once, in namespaces and cgroups that are gone afterwards: nothing that runs is\n"
    "touched, and nothing is inferred from the kernel's version. Each line is one check:\n"
    "  ok        what is used is there\n"
    "  degraded  sessions run; something else is used, or less is seen\n"
    "  missing   not there; without what is required no session runs\n"
    "  unknown   could not be checked, for want of rights: run it as root, as the agent would be\n"
    "Ends with status 0 when sessions can run here, 1 when they cannot.\n"
    "Examples: sudo gnomon doctor\n"
    "          sudo gnomon doctor -o json | jq '.checks[] | select(.state != \"ok\") | .remedy'";

int run_doctor(const std::string& output) {
  const doctor::Diagnosis diagnosis = doctor::diagnose(doctor::gather(shadow::kStateRoot));
  std::fputs((output == "json" ? diagnosis_json(diagnosis) : diagnosis_text(diagnosis)).c_str(), stdout);
  return diagnosis.sessions_can_run() ? 0 : kFailed;
}

}  // namespace

void add_doctor(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand("doctor", kHelp);
  const auto output = std::make_shared<std::string>("table");
  add_output_option(*command, *output);
  command->callback([&run, output] { run = [output] { return run_doctor(*output); }; });
}

}  // namespace gnomon::cli
