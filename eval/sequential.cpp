#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "coordinator/judge/sequential.h"
#include "eval/command.h"

namespace gnomon::eval {
namespace {

constexpr int kSeconds = 86400;

struct Options {
  int days = 200;
  double level = 0.05;
  std::uint64_t seed = 1;
};

using Random = std::mt19937_64;
// What both sides measured in one second of the day.
using Second = std::function<void(Random&, int second, double& control, double& treatment)>;

// The day's course that both sides share: more load, more spread.
double course(int second) {
  return 1 + 0.8 * std::sin(2 * M_PI * second / kSeconds);
}

bool alarm_by_pairs(Random& random, const Second& measure, double level) {
  judge::PairedEvidence evidence;
  for (int second = 0; second < kSeconds; ++second) {
    double control = 0, treatment = 0;
    measure(random, second, control, treatment);
    evidence.add(treatment - control);
    if (evidence.reached(level)) return true;
  }
  return false;
}

bool alarm_by_events(Random& random, const Second& measure, double level) {
  judge::EventEvidence evidence;
  for (int second = 0; second < kSeconds; ++second) {
    double control = 0, treatment = 0;
    measure(random, second, control, treatment);
    evidence.add(control, 1, treatment, 1);
    if (evidence.reached(level)) return true;
  }
  return false;
}

void log_normal(Random& random, int second, double& control, double& treatment) {
  std::lognormal_distribution<double> latency(std::log(2 * course(second)), 0.5);
  control = latency(random);
  treatment = latency(random);
}

void without_variance(Random& random, int second, double& control, double& treatment) {
  std::student_t_distribution<double> heavy(1.5);
  control = course(second) * heavy(random);
  treatment = course(second) * heavy(random);
}

// Both sides are slow in the same second now and then.
void with_pauses(Random& random, int second, double& control, double& treatment) {
  log_normal(random, second, control, treatment);
  if (random() % 300 != 0) return;
  std::exponential_distribution<double> pause(0.02);
  control += pause(random);
  treatment += pause(random);
}

void errors(Random& random, int second, double& control, double& treatment) {
  std::poisson_distribution<int> count(0.2 * course(second));
  control = count(random);
  treatment = count(random);
}

int simulate(const Options& options) {
  struct Kind {
    const char* name;
    Second measure;
    bool events;
  };
  const Kind kinds[] = {{"log-normal latency", log_normal, false},
                        {"noise without variance", without_variance, false},
                        {"latency with pauses", with_pauses, false},
                        {"error counts", errors, true}};
  double largest = 0;
  for (const Kind& kind : kinds) {
    int alarms = 0;
    for (int day = 0; day < options.days; ++day) {
      Random random(options.seed * 1000003 + static_cast<std::uint64_t>(day));
      alarms += kind.events ? alarm_by_events(random, kind.measure, options.level)
                            : alarm_by_pairs(random, kind.measure, options.level);
    }
    const double share = static_cast<double>(alarms) / options.days;
    largest = std::max(largest, share);
    std::printf("%s: %d of %d days with a false alarm\n", kind.name, alarms, options.days);
  }
  std::printf("largest share %.4f, nominal %.4f\n", largest, options.level);
  return 0;
}

}  // namespace

void add_sequential(CLI::App& cli, Run& run) {
  auto* command = cli.add_subcommand(
      "sequential", "How often the judge's evidence, looked at every second of a day, raises an alarm without cause");
  auto options = std::make_shared<Options>();
  command->add_option("--days", options->days, "Days to simulate of each kind of noise")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--level", options->level, "False alarms allowed")
      ->check(CLI::Range(1e-6, 0.5))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of the simulation")->capture_default_str();
  command->callback([options, &run] { run = [options] { return simulate(*options); }; });
}

}  // namespace gnomon::eval
