#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "agent/app.h"
#include "agent/discovery/instance.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/follow.h"
#include "cli/render/report_html.h"
#include "cli/render/responses.h"
#include "cli/render/text.h"
#include "cli/render/verdict.h"
#include "cli/try_plan.h"
#include "common/log.h"
#include "common/version.h"
#include "coordinator/app.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "telemetry/wire.h"

namespace gnomon::cli {
namespace {

// An agent and a coordinator in this process. The agent goes first when they end.
struct Embedded {
  std::unique_ptr<coordinator::App> coordinator;
  std::unique_ptr<agent::App> agent;
};

absl::StatusOr<Embedded> start(const TryOptions& options, const TryPlan& plan) {
  Embedded embedded;
  agent::Config config;
  config.budget = plan.budget;
  config.credentials = options.credentials;
  // Before any thread exists: it moves the process into a mount namespace of its own.
  ASSIGN_OR_RETURN(embedded.agent, agent::App::create(std::move(config)));
  ASSIGN_OR_RETURN(embedded.coordinator, coordinator::App::create({.database = ":memory:", .listen = ""}));
  return embedded;
}

bool is_terminal(int fd) {
  const char* term = std::getenv("TERM");
  return ::isatty(fd) == 1 && term != nullptr && std::string(term) != "dumb";
}

absl::Status write_report(const SessionView& view, const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << report_html(view, kVersion);
  file.close();
  return file ? absl::OkStatus() : errno_status("report " + path);
}

// One `gnomon try`: sessions one after the other over the embedded pair.
class Trial {
 public:
  Trial(const TryOptions& options, const TryPlan& plan, StopSignals& signals, Embedded& embedded)
      : options_(options),
        plan_(plan),
        signals_(signals),
        embedded_(embedded),
        json_(options.output == "json"),
        // JSON owns standard output: everything on the way goes to standard error, as lines.
        progress_(json_ ? stderr : stdout),
        terminal_(!json_ && is_terminal(STDOUT_FILENO)) {}

  void announce(const discovery::Instance& instance) const {
    std::fprintf(progress_, "production: %s (pid %d) on %s, %s CPU, %s memory\n", printable(instance.command).c_str(),
                 instance.pid, instance.listeners.empty() ? "-" : instance.listeners.front().to_string().c_str(),
                 format_cpu(instance.cpu).c_str(), format_bytes(instance.memory).c_str());
    for (const std::string& scenario : plan_.profile.inert_scenarios) note_inert(scenario);
    std::fflush(progress_);
  }

  // Exit status of the last session.
  absl::StatusOr<int> run(Client& client) {
    while (true) {
      ASSIGN_OR_RETURN(const v1::ApplyResponse applied, client.call(&Client::Stub::Apply, plan_.request));
      if (applied.sessions_size() != 1) return absl::InternalError("the coordinator started no session");
      Display display(progress_, terminal_);
      ASSIGN_OR_RETURN(Followed followed, follow(client, applied.sessions(0), signals_, display));
      if (followed.stopped) RETURN_IF_ERROR(hear_out(client, applied.sessions(0), followed.view));
      const int status = conclude(followed.view);
      if (!options_.report.empty()) RETURN_IF_ERROR(write_report(followed.view, options_.report));
      if (!options_.report.empty()) std::fprintf(progress_, "report: %s\n", options_.report.c_str());
      std::fflush(progress_);
      if (!options_.stay || followed.stopped || status == kFailed) return status;
    }
  }

 private:
  // A session that was stopped is judged at once, but the agent's last, partial second arrives after that.
  absl::Status hear_out(Client& client, const std::string& session, SessionView& view) const {
    embedded_.agent.reset();
    v1::GetSessionRequest request;
    request.set_id(session);
    v1::SessionEvent last;
    ASSIGN_OR_RETURN(*last.mutable_session(), client.call(&Client::Stub::GetSession, request));
    view.add(last);
    return absl::OkStatus();
  }

  int conclude(const SessionView& view) const {
    v1::Session session = view.session();
    if (json_) {
      *session.mutable_tap() = telemetry::to_wire(view.tap());
      *session.mutable_replay() = telemetry::to_wire(view.replay());
      std::fputs(to_json(session).c_str(), stdout);
      std::fflush(stdout);
    }
    if (session.status().state() == v1::SESSION_STATE_FAILED) {
      std::fflush(stdout);
      std::fputs(("gnomon: " + failure_text(session)).c_str(), stderr);
      return kFailed;
    }
    if (const std::string responses = responses_summary(session.status()); !responses.empty())
      std::fputs(("\nresponses: " + responses + "\n").c_str(), progress_);
    const bool color = terminal_ && std::getenv("NO_COLOR") == nullptr;
    std::fputs(("\n" + verdict_text(session.verdict(), color)).c_str(), progress_);
    if (!options_.exit_code || session.verdict().outcome() == v1::OUTCOME_AS_EXPECTED) return 0;
    return session.verdict().outcome() == v1::OUTCOME_ANOMALY ? kAnomaly : kInconclusive;
  }

  const TryOptions& options_;
  const TryPlan& plan_;
  StopSignals& signals_;
  Embedded& embedded_;
  const bool json_;
  std::FILE* const progress_;
  const bool terminal_;
};

int run_try(const TryOptions& options) {
  const auto plan = plan_try(options);
  if (!plan.ok())
    return absl::IsInvalidArgument(plan.status()) ? usage_error(std::string(plan.status().message()))
                                                  : fail(plan.status());
  if (!options.report.empty())
    if (const absl::Status status = check_writable(options.report); !status.ok()) return fail(status);
  if (const absl::Status status = agent::preflight(); !status.ok()) return fail(status);
  const auto instance = discovery::find_instance("/proc", "/sys/fs/cgroup", plan->service.port, plan->service.pid);
  if (!instance.ok()) return fail(instance.status());

  start_logging("gnomon", options.log_level.c_str());
  auto signals = StopSignals::block();
  if (!signals.ok()) return fail(signals.status());
  auto embedded = start(options, *plan);
  if (!embedded.ok()) return fail(embedded.status());
  const auto channel = embedded->coordinator->in_process_channel();
  embedded->agent->connect(channel);
  Client client(channel, "this process");
  Trial trial(options, *plan, *signals, *embedded);
  trial.announce(*instance);
  const auto status = trial.run(client);
  return status.ok() ? *status : fail(status.status());
}

}  // namespace

void add_try(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "try",
      "Shadows the service that listens on a port of this machine, in one go: starts an isolated copy of its\n"
      "process, replays a sample of its real traffic to it under a profile, compares, gives a verdict, removes "
      "everything.\n"
      "The service itself is only observed.\n"
      "Examples: sudo gnomon try --port 8080\n"
      "          sudo gnomon try --port 8080 --profile profile.json --for 2m --report out.html");
  const auto options = std::make_shared<TryOptions>();
  command->add_option("--port", options->port, "TCP port that the service listens on, in any network namespace");
  command->add_option("--pid", options->pid, "Only this process, where several listen on the port");
  command->add_option("--fraction", options->fraction,
                      "Share of the connections to sample (default: the descriptor's, else 5%)");
  command->add_option("--replay-writes", options->replay_writes,
                      "Replay these requests although they may write: \"POST /orders\", \"SET\", or \"*\" for all "
                      "(default: the descriptor's, else none)");
  command->add_option(
      "--protocol", options->protocol,
      fmt::format("What its clients speak: {} (default: the descriptor's, else {}: each connection's first bytes "
                  "tell)",
                  fmt::join(document::kProtocols, ", "), document::kAutoProtocol));
  command->add_option("--profile", options->profile,
                      "Profile (JSON or YAML); its file may hold the service descriptor as well. Default: a quarter of "
                      "production's CPU at twice its load");
  command->add_option("--for", options->duration, "How long to measure, 15s to 24h")->capture_default_str();
  command->add_option("--max-production-cost", options->max_cost,
                      "End the session when it is certain to raise production's p99 by more (docs/budget.md), or off "
                      "(default: the descriptor's, else 2%)");
  command->add_option(
      "--compare-responses", options->compare_responses,
      "Compare the shadow's responses with production's: status (and their sizes), body (and the first bytes of it) or "
      "off (default: the descriptor's, else off; what it costs: docs/responses.md)");
  command->add_option("--compare-bytes", options->compare_bytes,
                      "With body: as many bytes of each response, 256 to 64Ki (default: the descriptor's, else 4Ki)");
  command
      ->add_option("--credentials", options->credentials,
                   "Directory with the service's password, for its shadow, in a file of the service's name "
                   "(docs/protocols.md)")
      ->capture_default_str();
  command->add_option("--report", options->report, "Write a report (HTML, one file) here");
  add_output_option(*command, options->output);
  command->add_option("--budget-cpu", options->budget_cpu, "Most CPU for the shadow (default: half of the machine's)");
  command->add_option("--budget-memory", options->budget_memory, "Most memory for the shadow (default: a quarter)");
  command->add_flag("--stay", options->stay, "Start the next session when one has ended, until Ctrl-C");
  command->add_flag("--exit-code", options->exit_code, "End with status 3 on an anomaly, 4 when inconclusive");
  command->add_option("--log-level", options->log_level, "how much to log")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  command->callback([&run, options] { run = [options] { return run_try(*options); }; });
}

}  // namespace gnomon::cli
