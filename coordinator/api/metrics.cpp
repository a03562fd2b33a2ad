#include "coordinator/api/metrics.h"

#include <iterator>
#include <string>
#include <utility>

#include "common/version.h"
#include "telemetry/wire.h"

namespace gnomon::api {
namespace {

using telemetry::single;

prometheus::MetricFamily per_node(const v1::ListNodesResponse& nodes, std::string name, std::string help,
                                  std::uint64_t (*value)(const v1::Node&)) {
  prometheus::MetricFamily family = single(std::move(name), std::move(help), 0);
  family.metric.clear();
  for (const v1::Node& node : nodes.nodes()) {
    auto& metric = family.metric.emplace_back();
    metric.label = {{"node", node.hello().node()}};
    metric.counter.value = metric.gauge.value = static_cast<double>(value(node));
  }
  return family;
}

constexpr std::pair<const char*, std::uint64_t (v1::ResponseComparison::*)() const> kOutcomes[] = {
    {"same", &v1::ResponseComparison::same},
    {"other_status", &v1::ResponseComparison::other_status},
    {"other_size", &v1::ResponseComparison::other_size},
    {"other_body", &v1::ResponseComparison::other_body},
    {"lost", &v1::ResponseComparison::lost},
    {"truncated", &v1::ResponseComparison::truncated},
    {"unpaired", &v1::ResponseComparison::unpaired},
    {"unanswered", &v1::ResponseComparison::unanswered},
    {"unsupported", &v1::ResponseComparison::unsupported},
    {"too_many", &v1::ResponseComparison::too_many}};

void add_responses(const v1::Session& session, prometheus::MetricFamily& family) {
  for (const v1::ResponseComparison& responses : session.status().responses()) {
    for (const auto& [outcome, count] : kOutcomes) {
      auto& metric = family.metric.emplace_back();
      metric.label = {{"session", session.id()},
                      {"service", session.service()},
                      {"endpoint", responses.endpoint()},
                      {"outcome", outcome}};
      metric.counter.value = static_cast<double>((responses.*count)());
    }
  }
}

}  // namespace

telemetry::Families metrics(session::Sessions& sessions, WallTime now) {
  telemetry::Families families = telemetry::process_families("coordinator", kVersion);
  if (const auto nodes = sessions.list_nodes(); nodes.ok()) {
    families.push_back(per_node(*nodes, "gnomon_coordinator_node_connected", "1 while the node's agent is connected",
                                [](const v1::Node& node) { return std::uint64_t{node.connected()}; }));
    families.push_back(per_node(*nodes, "gnomon_coordinator_node_dropped_samples_total",
                                "samples that the agent dropped, as the coordinator was away for too long",
                                [](const v1::Node& node) { return node.dropped_samples(); }));
    families.push_back(per_node(*nodes, "gnomon_coordinator_node_rejected_samples_total",
                                "samples that the coordinator left out: malformed, or of no session of the node",
                                [](const v1::Node& node) { return node.rejected_samples(); }));
  }
  const auto listed = sessions.list_sessions();
  if (!listed.ok()) return families;
  const std::int64_t oldest =
      std::chrono::duration_cast<std::chrono::milliseconds>((now - kShownAfterEnd).time_since_epoch()).count();
  std::vector<telemetry::SessionTotals> totals;
  double running = 0;
  prometheus::MetricFamily responses =
      single("gnomon_coordinator_responses_total", "replayed requests, by what came of comparing the responses", 0);
  responses.metric.clear();
  for (const v1::Session& session : listed->sessions()) {
    const bool ended = session.ended_unix_ms() != 0;
    running += !ended;
    if (ended && session.ended_unix_ms() < oldest) continue;
    add_responses(session, responses);
    totals.push_back({.session = session.id(),
                      .service = session.service(),
                      .tap = telemetry::from_wire(session.tap()),
                      .replay = telemetry::from_wire(session.replay())});
  }
  families.push_back(single("gnomon_coordinator_sessions", "sessions that have not ended", running));
  families.push_back(std::move(responses));
  auto counters = telemetry::counter_families("coordinator", totals);
  families.insert(families.end(), std::move_iterator(counters.begin()), std::move_iterator(counters.end()));
  return families;
}

}  // namespace gnomon::api
