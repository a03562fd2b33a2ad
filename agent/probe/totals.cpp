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

}  // namespace

absl::StatusOr<probe_measured> measured_totals(int map, std::uint32_t slot) {
  return sum<probe_measured>(map, slot, "a slot's counters");
}

absl::StatusOr<probe_mixes> mix_totals(int map, std::uint32_t slot) {
  return sum<probe_mixes>(map, slot, "what a slot's requests look like");
}

absl::StatusOr<response_counters> response_totals(int map, std::uint32_t slot) {
  return sum<response_counters>(map, slot, "a slot's counters of responses");
}

}  // namespace gnomon::probe
