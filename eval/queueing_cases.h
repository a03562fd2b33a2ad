#pragma once
// Queues with what theory says of them, as a file has them.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/capacity/closed_network.h"
#include "coordinator/capacity/queueing.h"

namespace gnomon::eval {

// What is computed takes as long as there are servers, and the square of how many clients.
inline constexpr int kMostServers = 100'000, kMostClients = 2'000, kMostStations = 100;

struct MmcCase {
  int servers = 0;
  double arrival_rate = 0, service_rate = 0, utilisation = 0;
  double erlang_b = 0, erlang_c = 0;
  capacity::Means means;
};

struct MmcPercentileCase {
  int servers = 0;
  double service_rate = 0, utilisation = 0, p = 0;
  double sojourn = 0, waiting = 0;
};

struct ErlangTableCase {
  int servers = 0;
  double blocking = 0;
  struct Offered {
    const char* source;
    double value, precision;  // precision: half a unit of the last digit
  };
  std::vector<Offered> offered;
};

struct MmckCase {
  int servers = 0, places = 0;
  double offered = 0;
  double blocked = 0, present = 0;
};

struct Mg1Case {
  std::string name;
  double utilisation = 0, service = 0, cv2 = 0;
  double waiting = 0, sojourn = 0;
};

struct ClosedCase {
  std::vector<capacity::Station> stations;
  double think = 0;
  struct Point {
    int clients;
    double throughput, response;
  };
  std::vector<Point> points;
  capacity::AsymptoticBounds bounds;
};

struct QueueingCases {
  std::vector<MmcCase> mmc;
  std::vector<MmcPercentileCase> percentiles;
  std::vector<ErlangTableCase> erlang;
  std::vector<MmckCase> mmck;
  std::vector<Mg1Case> mg1;
  std::vector<ClosedCase> closed;
};

// A JSON object of the lists mmc, mmc_percentile, erlang_b_table, mmck, mg1 and closed_mva, any of which may be absent.
// All numbers are finite, servers 1 to kMostServers, clients 1 to kMostClients. InvalidArgument "<name>: <what>".
absl::StatusOr<QueueingCases> parse_queueing_cases(const std::string& text, const std::string& name);

}  // namespace gnomon::eval
