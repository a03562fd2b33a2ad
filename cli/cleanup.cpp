#include <unistd.h>

#include <cstdio>
#include <memory>

#include "agent/shadow/shadow.h"
#include "cli/command.h"
#include "cli/render/text.h"

namespace gnomon::cli {
namespace {

int run_cleanup(bool check_only) {
  if (::geteuid() != 0) return fail(absl::PermissionDeniedError("cleanup needs root: run it with sudo"));
  const auto leftovers = shadow::sweep(shadow::kStateRoot, check_only);
  if (!leftovers.ok()) return fail(leftovers.status());
  int remaining = 0;
  for (const shadow::Leftover& leftover : *leftovers) {
    const bool remains = check_only || !leftover.problem.empty();
    remaining += remains;
    std::printf("%s %s %s%s\n", remains ? "left" : "removed", leftover.kind.c_str(), printable(leftover.what).c_str(),
                leftover.problem.empty() ? "" : (": " + printable(leftover.problem)).c_str());
  }
  if (leftovers->empty()) std::puts("nothing is left behind");
  return remaining > 0 ? kFailed : 0;
}

}  // namespace

void add_cleanup(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "cleanup",
      "Removes what an agent that was killed has left: processes, cgroups, state. What belongs to a living "
      "agent is\n"
      "never touched. Ends with status 1 if something remains.\nExample: sudo gnomon cleanup --check");
  const auto check_only = std::make_shared<bool>(false);
  command->add_flag("--check", *check_only, "Only list what is left");
  command->callback([&run, check_only] { run = [check_only] { return run_cleanup(*check_only); }; });
}

}  // namespace gnomon::cli
