// gnomon-agent: one a node. Watches services, runs their shadows, reports to a coordinator.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/app.h"
#include "agent/link/link.h"
#include "common/log.h"
#include "common/status.h"
#include "common/version.h"

namespace {

int fail(const absl::Status& status) {
  std::fprintf(stderr, "gnomon-agent: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  gnomon::agent::Config config{.metrics = "127.0.0.1:7402"};
  std::string coordinator = "127.0.0.1:7400", log_level = "info", budget_cpu, budget_memory;
  CLI::App cli(
      "Runs shadows on this node as a coordinator asks.\n"
      "Example: gnomon-agent --coordinator 127.0.0.1:7400 --budget-cpu 1 --budget-memory 1Gi");
  cli.set_version_flag("--version", gnomon::kVersion);
  cli.add_option("--coordinator", coordinator, "Address of the coordinator, host:port or unix:PATH")
      ->capture_default_str();
  cli.add_option("--node", config.node, "Name of this node (default: the host's)");
  cli.add_option("--budget-cpu", budget_cpu,
                 "CPUs for all shadows together (default: half of the node's), e.g. 500m or 1.5");
  cli.add_option("--budget-memory", budget_memory, "Memory for all shadows together (default: a quarter), e.g. 512Mi");
  cli.add_option("--state-root", config.state_root, "Where run-time state is kept")->capture_default_str();
  cli.add_option("--credentials", config.credentials,
                 "Directory with the password of a service, for its shadow, in a file of the service's name "
                 "(docs/protocols.md)")
      ->capture_default_str();
  cli.add_option("--metrics", config.metrics, "Where Prometheus finds /metrics (docs/metrics.md), or off")
      ->capture_default_str();
  cli.add_option("--log-level", log_level, "how much to log")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  CLI11_PARSE(cli, argc, argv);

  gnomon::start_logging("gnomon-agent", log_level.c_str());
  if (!budget_cpu.empty()) {
    const auto cpu = gnomon::parse_cpu(budget_cpu);
    if (!cpu.ok()) return fail(gnomon::annotate(cpu.status(), "--budget-cpu"));
    config.budget.cpu = *cpu;
  }
  if (!budget_memory.empty()) {
    const auto memory = gnomon::parse_bytes(budget_memory);
    if (!memory.ok()) return fail(gnomon::annotate(memory.status(), "--budget-memory"));
    config.budget.memory = *memory;
  }

  // Blocked before the first thread, so that every thread inherits it and sigwait() below gets them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  auto app = gnomon::agent::App::create(std::move(config));
  if (!app.ok()) return fail(app.status());
  (*app)->connect(gnomon::link::open_channel(coordinator));
  spdlog::info("serving coordinator {}", coordinator);
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  spdlog::info("signal {}: ending", signal_number);
  return 0;
}
