// Arbitrary bytes as the cases that gnomon-eval checks the capacity models by: what is taken is finite and within the
// bounds that keep a computation short; errors name the file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "eval/queueing_cases.h"
#include "eval/usl_cases.h"

namespace {

using namespace gnomon::eval;

void require(bool condition) {
  if (!condition) std::abort();
}

void require_finite(std::initializer_list<double> values) {
  for (const double value : values) require(std::isfinite(value));
}

void require_named(const absl::Status& status) {
  require(absl::IsInvalidArgument(status) && status.message().substr(0, 5) == "file:");
}

void require_servers(int servers) {
  require(servers >= 1 && servers <= kMostServers);
}

void check_fit(const UslFit& fit) {
  for (const FittedParameter& one : {fit.alpha, fit.beta, fit.gamma}) {
    require_finite({one.value.value_or(0), one.standard_error.value_or(0)});
    require(one.precision >= 0);
  }
}

void check_usl(const std::string& text) {
  const auto cases = parse_usl_cases(text, "file");
  if (!cases.ok()) return require_named(cases.status());
  for (const UslCase& one : *cases) {
    for (const auto& measurement : one.measurements) require_finite({measurement.load, measurement.throughput});
    if (one.published) check_fit(*one.published);
    if (one.reference) check_fit(*one.reference);
  }
}

void check_queueing(const std::string& text) {
  const auto cases = parse_queueing_cases(text, "file");
  if (!cases.ok()) return require_named(cases.status());
  for (const MmcCase& one : cases->mmc) {
    require_servers(one.servers);
    require_finite({one.arrival_rate, one.service_rate, one.utilisation, one.erlang_b, one.erlang_c, one.means.waiting,
                    one.means.sojourn, one.means.queued, one.means.present});
  }
  for (const MmcPercentileCase& one : cases->percentiles) {
    require_servers(one.servers);
    require_finite({one.service_rate, one.utilisation, one.p, one.sojourn, one.waiting});
  }
  for (const ErlangTableCase& one : cases->erlang) {
    require_servers(one.servers);
    for (const auto& offered : one.offered) require_finite({one.blocking, offered.value});
  }
  for (const MmckCase& one : cases->mmck) {
    require_servers(one.servers);
    require_servers(one.places);
    require_finite({one.offered, one.blocked, one.present});
  }
  for (const Mg1Case& one : cases->mg1)
    require_finite({one.utilisation, one.service, one.cv2, one.waiting, one.sojourn});
  for (const ClosedCase& one : cases->closed) {
    require(!one.stations.empty() && static_cast<int>(one.stations.size()) <= kMostStations);
    for (const auto& station : one.stations) require(std::isfinite(station.demand) && station.servers == 1);
    for (const auto& point : one.points) {
      require(point.clients >= 0 && point.clients <= kMostClients);
      require_finite({point.throughput, point.response});
    }
    require_finite({one.think, one.bounds.throughput, one.bounds.clients});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_usl(text);
  check_queueing(text);
  return 0;
}
