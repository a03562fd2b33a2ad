// Queueing theory's values beside those of a file of cases.

#include <yaml-cpp/yaml.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "coordinator/capacity/closed_network.h"
#include "coordinator/capacity/queueing.h"
#include "eval/checks.h"
#include "eval/command.h"
#include "eval/csv.h"

namespace gnomon::eval {
namespace {

constexpr double kExact = 1e-9;

double number(const YAML::Node& node, const char* key) {
  return node[key].as<double>();
}

void check_mmc(Checks& checks, const YAML::Node& item) {
  const int servers = item["servers"].as<int>();
  const double arrival = number(item, "lambda"), service = number(item, "mu");
  const capacity::Mmc queue(servers, arrival, service);
  const capacity::Means means = queue.means();
  const std::string name = absl::StrCat("M/M/", servers, " rho ", number(item, "rho"), " ");
  checks.near(name + "Erlang B", capacity::erlang_b(servers, arrival / service), number(item, "erlang_b"), kExact);
  checks.near(name + "Erlang C", queue.delayed(), number(item, "erlang_c"), kExact);
  checks.near(name + "Wq", means.waiting, number(item, "Wq"), kExact);
  checks.near(name + "W", means.sojourn, number(item, "W"), kExact);
  checks.near(name + "Lq", means.queued, number(item, "Lq"), kExact);
  checks.near(name + "L", means.present, number(item, "L"), kExact);
}

void check_percentile(Checks& checks, const YAML::Node& item) {
  const int servers = item["servers"].as<int>();
  const double rho = number(item, "rho"), service = number(item, "mu"), p = number(item, "p");
  const capacity::Mmc queue(servers, rho * servers * service, service);
  const std::string name = absl::StrCat("M/M/", servers, " rho ", rho, " p", 100 * p);
  checks.near(name + " sojourn", queue.sojourn_quantile(p), number(item, "response_time"), kExact);
  checks.near(name + " waiting", queue.waiting_quantile(p), number(item, "waiting_time"), kExact);
}

void check_erlang_table(Checks& checks, const YAML::Node& item) {
  const int servers = item["servers"].as<int>();
  const double blocking = number(item, "blocking"), offered = capacity::erlang_b_offered(servers, blocking);
  for (const char* key : {"published_A", "computed_A"})
    checks.near(absl::StrCat("Erlang B table ", servers, " ", key), offered, number(item, key),
                printed_precision(item[key].as<std::string>()) / number(item, key));
}

void check_mmck(Checks& checks, const YAML::Node& item) {
  const int servers = item["servers"].as<int>(), places = item["capacity"].as<int>();
  const capacity::Mmck queue = capacity::mmck(servers, places, number(item, "offered"), 1);
  const std::string name = absl::StrCat("M/M/", servers, "/", places);
  checks.near(name + " blocked", queue.blocked, number(item, "p_block"), kExact);
  checks.near(name + " L", queue.means.present, number(item, "L"), kExact);
}

void check_mg1(Checks& checks, const YAML::Node& item) {
  const double service = number(item, "service");
  const capacity::Means means = capacity::mg1(number(item, "rho") / service, service, number(item, "cv2"));
  const auto name = item["model"].as<std::string>();
  checks.near(name + " Wq", means.waiting, number(item, "Wq"), kExact);
  checks.near(name + " W", means.sojourn, number(item, "W"), kExact);
}

void check_closed(Checks& checks, const YAML::Node& item) {
  std::vector<capacity::Station> stations;
  for (const double demand : item["demands"].as<std::vector<double>>()) stations.push_back({demand, 1});
  const double think = number(item, "think");
  int clients = 1;
  for (const YAML::Node& point : item["points"]) clients = std::max(clients, point["n"].as<int>());
  const auto points = capacity::closed_network(stations, think, clients);
  const std::string name = absl::StrCat("closed, ", stations.size(), " stations, think ", think);
  for (const YAML::Node& point : item["points"]) {
    const int n = point["n"].as<int>();
    if (n < 1 || points.empty()) continue;
    const capacity::ClosedPoint& computed = points[static_cast<std::size_t>(n - 1)];
    checks.near(absl::StrCat(name, ", n ", n, " X"), computed.throughput, number(point, "X"), kExact);
    checks.near(absl::StrCat(name, ", n ", n, " R"), computed.response, number(point, "R"), kExact);
  }
  const capacity::AsymptoticBounds bounds = capacity::asymptotic_bounds(stations, think);
  checks.near(name + " bound of X", bounds.throughput, number(item, "X_bound"), kExact);
  checks.near(name + " knee", bounds.clients, number(item, "knee_N*"), kExact);
}

int check(const std::string& path) {
  const auto text = read_file(path);
  if (!text.ok()) return fail(text.status());
  const struct {
    const char* section;
    void (*check)(Checks&, const YAML::Node&);
  } sections[] = {{"mmc", check_mmc},
                  {"mmc_percentile", check_percentile},
                  {"erlang_b_table", check_erlang_table},
                  {"mmck", check_mmck},
                  {"mg1", check_mg1},
                  {"closed_mva", check_closed}};
  Checks checks;
  try {
    const YAML::Node root = YAML::Load(*text);  // JSON is YAML
    for (const auto& [section, function] : sections)
      for (const YAML::Node& item : root[section]) function(checks, item);
  } catch (const YAML::Exception& error) {
    return fail(absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what())));
  }
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
  command->callback([&run, cases] { run = [cases] { return check(*cases); }; });
}

}  // namespace gnomon::eval
