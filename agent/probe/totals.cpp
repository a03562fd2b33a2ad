#include "agent/probe/totals.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <string_view>
#include <vector>

#include "common/status.h"

namespace gnomon::probe {
namespace {

template <std::size_t N>
void add(__u64 (&to)[N], const __u64 (&what)[N]) {
  for (std::size_t i = 0; i < N; ++i) to[i] += what[i];
}

void add(traffic_mix& to, const traffic_mix& what) {
  add(to.endpoint, what.endpoint);
  add(to.size, what.size);
  add(to.gap, what.gap);
}

void add(probe_mixes& to, const probe_mixes& what) {
  add(to.all, what.all);
  add(to.sampled, what.sampled);
}

void add(response_counters& to, const response_counters& what) {
  add(to.value, what.value);
}

void add(probe_measured& to, const probe_measured& what) {
  add(to.counters.value, what.counters.value);
  to.service_time.count += what.service_time.count;
  to.service_time.sum_ns += what.service_time.sum_ns;
  add(to.service_time.bucket, what.service_time.bucket);
}

template <class Counted>
absl::StatusOr<Counted> sum(int map, std::uint32_t slot, std::string_view what) {
  std::vector<Counted> cpus(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (const int result = bpf_map_lookup_elem(map, &slot, cpus.data()); result != 0)
    return errno_status(-result, fmt::format("probe: cannot read {}", what));
  Counted sum{};
  for (const Counted& cpu : cpus) add(sum, cpu);
  return sum;
}

absl::StatusOr<probe_measured> measured_totals(int map, Slot slot) {
  return sum<probe_measured>(map, slot, "a slot's counters");
}

absl::StatusOr<response_counters> response_totals(int map, Slot slot) {
  return sum<response_counters>(map, slot, "a slot's counters of responses");
}

}  // namespace

absl::Status Totals::begin(Slot slot) {
  ASSIGN_OR_RETURN(const probe_measured measured, measured_totals(maps_.measured, slot));
  ASSIGN_OR_RETURN(responded_[slot], response_totals(maps_.responded, slot));
  const std::vector<probe_mixes> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  if (const int error = bpf_map_update_elem(maps_.mixes, &slot, none.data(), BPF_ANY); error != 0)
    return errno_status(-error, "probe: cannot empty what a slot's requests looked like");
  measured_[slot] = std::make_unique<probe_measured>(measured);
  return absl::OkStatus();
}

absl::StatusOr<Reading> Totals::read(Slot slot) const {
  ASSIGN_OR_RETURN(const probe_measured now, measured_totals(maps_.measured, slot));
  ASSIGN_OR_RETURN(const response_counters responded, response_totals(maps_.responded, slot));
  const probe_measured& then = *measured_[slot];
  Reading reading;
  for (std::size_t i = 0; i < PROBE_COUNTERS; ++i) reading.counter[i] = now.counters.value[i] - then.counters.value[i];
  for (std::size_t i = 0; i < RESPONSE_COUNTERS; ++i)
    reading.response[i] = responded.value[i] - responded_[slot].value[i];
  for (std::uint32_t i = 0; i < HISTOGRAM_BUCKETS; ++i)
    reading.service_time.add_bucket(i, now.service_time.bucket[i] - then.service_time.bucket[i]);
  reading.service_time.add_sum(Nanos(static_cast<Nanos::rep>(now.service_time.sum_ns - then.service_time.sum_ns)));
  return reading;
}

absl::StatusOr<probe_mixes> Totals::read_mixes(Slot slot) const {
  return sum<probe_mixes>(maps_.mixes, slot, "what a slot's requests look like");
}

}  // namespace gnomon::probe
