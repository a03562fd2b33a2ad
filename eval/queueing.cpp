// Queueing theory's values beside those of a file of cases.

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "coordinator/capacity/closed_network.h"
#include "coordinator/capacity/queueing.h"
#include "eval/checks.h"
#include "eval/command.h"
#include "eval/csv.h"
#include "eval/queueing_cases.h"

namespace gnomon::eval {
namespace {

constexpr double kExact = 1e-9;

void check(Checks& checks, const MmcCase& one) {
  const capacity::Mmc queue(one.servers, one.arrival_rate, one.service_rate);
  const capacity::Means means = queue.means();
  const std::string name = absl::StrCat("M/M/", one.servers, " rho ", one.utilisation, " ");
  checks.near(name + "Erlang B", capacity::erlang_b(one.servers, one.arrival_rate / one.service_rate), one.erlang_b,
              kExact);
  checks.near(name + "Erlang C", queue.delayed(), one.erlang_c, kExact);
  checks.near(name + "Wq", means.waiting, one.means.waiting, kExact);
  checks.near(name + "W", means.sojourn, one.means.sojourn, kExact);
  checks.near(name + "Lq", means.queued, one.means.queued, kExact);
  checks.near(name + "L", means.present, one.means.present, kExact);
}

void check(Checks& checks, const MmcPercentileCase& one) {
  const capacity::Mmc queue(one.servers, one.utilisation * one.servers * one.service_rate, one.service_rate);
  const std::string name = absl::StrCat("M/M/", one.servers, " rho ", one.utilisation, " p", 100 * one.p);
  checks.near(name + " sojourn", queue.sojourn_quantile(one.p), one.sojourn, kExact);
  checks.near(name + " waiting", queue.waiting_quantile(one.p), one.waiting, kExact);
}

void check(Checks& checks, const ErlangTableCase& one) {
  const double computed = capacity::erlang_b_offered(one.servers, one.blocking);
  for (const auto& [source, value, precision] : one.offered)
    checks.near(absl::StrCat("Erlang B table ", one.servers, " ", source), computed, value, precision / value);
}

void check(Checks& checks, const MmckCase& one) {
  const capacity::Mmck queue = capacity::mmck(one.servers, one.places, one.offered, 1);
  const std::string name = absl::StrCat("M/M/", one.servers, "/", one.places);
  checks.near(name + " blocked", queue.blocked, one.blocked, kExact);
  checks.near(name + " L", queue.means.present, one.present, kExact);
}

void check(Checks& checks, const Mg1Case& one) {
  const capacity::Means means = capacity::mg1(one.utilisation / one.service, one.service, one.cv2);
  checks.near(one.name + " Wq", means.waiting, one.waiting, kExact);
  checks.near(one.name + " W", means.sojourn, one.sojourn, kExact);
}

void check(Checks& checks, const ClosedCase& one) {
  int clients = 1;
  for (const ClosedCase::Point& point : one.points) clients = std::max(clients, point.clients);
  const auto points = capacity::closed_network(one.stations, one.think, clients);
  const std::string name = absl::StrCat("closed, ", one.stations.size(), " stations, think ", one.think);
  for (const ClosedCase::Point& point : one.points) {
    if (point.clients < 1 || points.empty()) continue;
    const capacity::ClosedPoint& computed = points[static_cast<std::size_t>(point.clients - 1)];
    checks.near(absl::StrCat(name, ", n ", point.clients, " X"), computed.throughput, point.throughput, kExact);
    checks.near(absl::StrCat(name, ", n ", point.clients, " R"), computed.response, point.response, kExact);
  }
  const capacity::AsymptoticBounds bounds = capacity::asymptotic_bounds(one.stations, one.think);
  checks.near(name + " bound of X", bounds.throughput, one.bounds.throughput, kExact);
  checks.near(name + " knee", bounds.clients, one.bounds.clients, kExact);
}

template <class Case>
void check_all(Checks& checks, const std::vector<Case>& cases) {
  for (const Case& one : cases) check(checks, one);
}

int check_file(const std::string& path) {
  const auto text = read_file(path);
  if (!text.ok()) return fail(text.status());
  const auto cases = parse_queueing_cases(*text, path);
  if (!cases.ok()) return fail(cases.status());
  Checks checks;
  check_all(checks, cases->mmc);
  check_all(checks, cases->percentiles);
  check_all(checks, cases->erlang);
  check_all(checks, cases->mmck);
  check_all(checks, cases->mg1);
  check_all(checks, cases->closed);
  return checks.finish();
}

}  // namespace

void add_queueing(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "queueing",
      "Computes each case and prints it beside what the file expects; fails when one is off by more than 1e-9, "
      "or by its printed digits.\nExample: gnomon-eval queueing --cases queueing_cases.json");
  const auto cases = std::make_shared<std::string>();
  command->add_option("--cases", *cases, "JSON of mmc, mmc_percentile, erlang_b_table, mmck, mg1 and closed_mva")
      ->required();
  command->callback([&run, cases] { run = [cases] { return check_file(*cases); }; });
}

}  // namespace gnomon::eval
