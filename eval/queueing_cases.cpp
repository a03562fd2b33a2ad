#include "eval/queueing_cases.h"

#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "eval/json_number.h"

namespace gnomon::eval {
namespace {

int servers_of(const YAML::Node& item) {
  return whole(item["servers"], 1, kMostServers);
}

MmcCase mmc_of(const YAML::Node& item) {
  return {.servers = servers_of(item),
          .arrival_rate = finite(item["lambda"]),
          .service_rate = finite(item["mu"]),
          .utilisation = finite(item["rho"]),
          .erlang_b = finite(item["erlang_b"]),
          .erlang_c = finite(item["erlang_c"]),
          .means = {.waiting = finite(item["Wq"]),
                    .sojourn = finite(item["W"]),
                    .queued = finite(item["Lq"]),
                    .present = finite(item["L"])}};
}

MmcPercentileCase percentile_of(const YAML::Node& item) {
  return {.servers = servers_of(item),
          .service_rate = finite(item["mu"]),
          .utilisation = finite(item["rho"]),
          .p = finite(item["p"]),
          .sojourn = finite(item["response_time"]),
          .waiting = finite(item["waiting_time"])};
}

ErlangTableCase erlang_of(const YAML::Node& item) {
  ErlangTableCase out{.servers = servers_of(item), .blocking = finite(item["blocking"]), .offered = {}};
  for (const char* source : {"published_A", "computed_A"})
    out.offered.push_back({source, finite(item[source]), printed_precision(item[source])});
  return out;
}

MmckCase mmck_of(const YAML::Node& item) {
  return {.servers = servers_of(item),
          .places = whole(item["capacity"], 1, kMostServers),
          .offered = finite(item["offered"]),
          .blocked = finite(item["p_block"]),
          .present = finite(item["L"])};
}

Mg1Case mg1_of(const YAML::Node& item) {
  return {.name = item["model"].as<std::string>(),
          .utilisation = finite(item["rho"]),
          .service = finite(item["service"]),
          .cv2 = finite(item["cv2"]),
          .waiting = finite(item["Wq"]),
          .sojourn = finite(item["W"])};
}

ClosedCase closed_of(const YAML::Node& item) {
  ClosedCase out{.stations = {},
                 .think = finite(item["think"]),
                 .points = {},
                 .bounds = {finite(item["X_bound"]), finite(item["knee_N*"])}};
  whole(YAML::Node(item["demands"].size()), 1, kMostStations);
  for (const YAML::Node& demand : item["demands"]) out.stations.push_back({finite(demand), 1});
  for (const YAML::Node& point : item["points"])
    out.points.push_back({whole(point["n"], 0, kMostClients), finite(point["X"]), finite(point["R"])});
  return out;
}

template <class Case>
std::vector<Case> all(const YAML::Node& list, Case (*case_of)(const YAML::Node&)) {
  std::vector<Case> out;
  for (const YAML::Node& item : list) out.push_back(case_of(item));
  return out;
}

}  // namespace

absl::StatusOr<QueueingCases> parse_queueing_cases(const std::string& text, const std::string& name) {
  try {
    const YAML::Node root = YAML::Load(text);  // JSON is YAML
    return QueueingCases{all(root["mmc"], mmc_of),
                         all(root["mmc_percentile"], percentile_of),
                         all(root["erlang_b_table"], erlang_of),
                         all(root["mmck"], mmck_of),
                         all(root["mg1"], mg1_of),
                         all(root["closed_mva"], closed_of)};
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", error.what()));
  }
}

}  // namespace gnomon::eval
