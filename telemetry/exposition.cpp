#include "telemetry/exposition.h"

#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <fstream>
#include <utility>

#include "prometheus/exposer.h"

namespace gnomon::telemetry {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Collected final : public prometheus::Collectable {
 public:
  explicit Collected(Exposition::Collect collect) : collect_(std::move(collect)) {}
  Families Collect() const override { return collect_(); }

 private:
  const Exposition::Collect collect_;
};

class Exposed final : public Exposition {
 public:
  Exposed(const std::string& address, Collect collect)
      : collected_(std::make_shared<Collected>(std::move(collect))), exposer_(address, 1) {
    exposer_.RegisterCollectable(collected_);
  }
  int port() const override { return exposer_.GetListeningPorts().front(); }

 private:
  const std::shared_ptr<Collected> collected_;
  prometheus::Exposer exposer_;  // last: it calls the other
};

template <CounterSet Set>
void add_families(const std::string& prefix, const char* role, std::span<const SessionTotals> sessions,
                  Set SessionTotals::*set, Families& families) {
  for (const Counter<Set>& counter : counters_of<Set>()) {
    MetricFamily& family = families.emplace_back();
    family.name = prefix + std::string(counter.name) + "_total";
    family.help = counter.help;
    family.type = MetricType::Counter;
    for (const SessionTotals& session : sessions) {
      ClientMetric& metric = family.metric.emplace_back();
      metric.label = {{"session", session.session}, {"service", session.service}, {"role", role}};
      metric.counter.value = static_cast<double>(session.*set.*counter.value);
    }
  }
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

Families counter_families(std::string_view program, std::span<const SessionTotals> sessions) {
  Families families;
  const std::string prefix = "gnomon_" + std::string(program);
  add_families(prefix + "_tap_", "production", sessions, &SessionTotals::tap, families);
  add_families(prefix + "_replay_", "shadow", sessions, &SessionTotals::replay, families);
  return families;
}

MetricFamily single(std::string name, std::string help, double value) {
  const MetricType type = name.ends_with("_total") ? MetricType::Counter : MetricType::Gauge;
  MetricFamily family{.name = std::move(name), .help = std::move(help), .type = type, .metric = {{}}};
  (type == MetricType::Counter ? family.metric[0].counter.value : family.metric[0].gauge.value) = value;
  return family;
}

Families process_families(std::string_view program, std::string_view version) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  Families families{single("process_cpu_seconds_total", "processor time that the program has used, in seconds",
                           seconds(usage.ru_utime) + seconds(usage.ru_stime)),
                    single("process_resident_memory_bytes", "memory that the program takes",
                           static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)))};
  MetricFamily build = single("gnomon_" + std::string(program) + "_build_info", "1; its label says the version", 1);
  build.metric[0].label = {{"version", std::string(version)}};
  families.push_back(std::move(build));
  return families;
}

absl::StatusOr<std::unique_ptr<Exposition>> Exposition::serve(const std::string& address, Collect collect) {
  try {
    return std::make_unique<Exposed>(address, std::move(collect));
  } catch (const std::exception& error) {
    return absl::UnavailableError("cannot serve metrics on " + address +
                                  ": is it in use, or not \"host:port\" of this machine? (" + error.what() + ")");
  }
}

}  // namespace gnomon::telemetry
