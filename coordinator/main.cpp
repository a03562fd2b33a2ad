// gnomon-coordinator: wires the coordinator to the command line and to signals.

#include <csignal>
#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "common/log.h"
#include "common/version.h"
#include "coordinator/app.h"

int main(int argc, char** argv) {
  CLI::App cli("Gnomon's coordinator: serves agents and the API, keeps its state in SQLite.", "gnomon-coordinator");
  gnomon::coordinator::Config config{.listen = "127.0.0.1:7400", .metrics = "127.0.0.1:7401"};
  std::string log_level = "info";
  cli.set_version_flag("--version", gnomon::kVersion);
  cli.add_option("--listen", config.listen,
                 "\"host:port\" or \"unix:path\"; no authentication: keep it off open networks")
      ->capture_default_str();
  cli.add_option("--database", config.database, "SQLite file, made if missing; \":memory:\" keeps nothing")
      ->capture_default_str();
  cli.add_option("--metrics", config.metrics, "Where Prometheus finds /metrics (docs/metrics.md), or off")
      ->capture_default_str();
  cli.add_option("--log-level", log_level, "how much to log")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  CLI11_PARSE(cli, argc, argv);

  // Blocked before any thread is started, so that they all leave the signals to sigwait().
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  gnomon::start_logging("gnomon-coordinator", log_level.c_str());
  auto app = gnomon::coordinator::App::create(config);
  if (!app.ok()) {
    std::fprintf(stderr, "gnomon-coordinator: %s\n", std::string(app.status().message()).c_str());
    return 1;
  }
  int signal = 0;
  sigwait(&ending, &signal);
  SPDLOG_INFO("ending on signal {}", signal);
  return 0;
}
